"""What a plug-in's object is, an estimator, a solver or a tableau, and the estimators it makes."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args

import scipy

from gradpareto.bench.plugins.source import Unusable
from gradpareto.estimators import Estimate, Estimator
from gradpareto.estimators.estimate import Knob
from gradpareto.estimators.per_lane import BacksolveOver, CtpgOver, GaussAdjointOver
from gradpareto.estimators.solvers.explicit.order_conditions import check
from gradpareto.estimators.solvers.per_lane.scipy_solver import ScipySolver
from gradpareto.estimators.solvers.per_lane.solver import LaneSolver
from gradpareto.estimators.solvers.per_lane.user_solver import UserSolver
from gradpareto.estimators.tableau_forms import as_tableau, forms
from gradpareto.systems import Array, Problem

TIGHT = {"tolerance": 1e-8, "step": 0.01}
"""Where whoever brings an estimator does not say."""
KINDS = (
    "an Estimator, or a function (problem, x0, setting); a solver (rhs, span, y0, tolerance) or an "
    "OdeSolver; or a tableau with a, b and c"
)


class FunctionEstimator(Estimator):
    """A function (problem, x0, setting) -> Estimate; its attributes are the declarations."""

    def __init__(self, function: Callable[[Problem, Array, float], Estimate]) -> None:
        self.function = function
        self.knob = getattr(function, "knob", "tolerance")
        for name in declarations():
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        return self.function(problem, x0, setting)


def declarations() -> list[str]:
    """The names of what an estimator declares."""
    return list(inspect.get_annotations(Estimator))


def estimators_of(given: object, name: str) -> dict[str, Estimator]:
    """{form: estimator}, the form being "" for a whole estimator.

    Raises Unusable if the object is of no kind that is known, or is not sound.
    """
    try:
        return _estimators_of(given, name)
    except Unusable:
        raise
    except Exception as error:
        line = (str(error).splitlines() or [""])[0]
        told = line if isinstance(error, ValueError) else f"{name}: {type(error).__name__}: {line}"
        raise Unusable(told) from error


def _estimators_of(given: Any, name: str) -> dict[str, Estimator]:
    if isinstance(given, Estimator) or _is_subclass(given, Estimator):
        whole = _instance(given, name) if isinstance(given, type) else given
        return {"": _declared(whole, name)}
    if _is_subclass(given, scipy.integrate.OdeSolver):
        return over(ScipySolver(given))
    _refuse_ambiguity(given, name)
    if _has_coefficients(given):
        tableau = as_tableau(given, name)
        check(tableau)
        return dict(forms(tableau))
    if isinstance(given, type):
        given = _instance(given, name)
        _refuse_ambiguity(given, name)
    solve = getattr(given, "solve", None)
    if callable(solve):
        return over(UserSolver(solve, name, bool(getattr(given, "stiff", False))))
    if not callable(given):
        raise Unusable(f"{name} is {_article(type(given).__name__)}, not {KINDS}")
    if _takes_four(given, name):
        return over(UserSolver(given, name, bool(getattr(given, "stiff", False))))
    return {"": _declared(FunctionEstimator(given), name)}


def _has_coefficients(given: object) -> bool:
    return all(hasattr(given, low) or hasattr(given, low.upper()) for low in "abc")


def _refuse_ambiguity(given: Any, name: str) -> None:
    """Raise Unusable if an object could be a plug-in in more than one way.

    It concerns objects that derive neither from `Estimator` nor from SciPy's `OdeSolver`; a base
    class says what is meant (SciPy's RK45 keeps its coefficients as A, B and C).
    """
    kind = given if isinstance(given, type) else type(given)
    # Every class can be called, to make an instance: its instances only if it says so itself.
    calls = any("__call__" in vars(base) for base in kind.__mro__)
    solve = getattr(kind, "solve", None)
    ways = {
        "a tableau (a, b and c)": _has_coefficients(given),
        "a solver (solve)": callable(getattr(given, "solve", None)),
        "a function (__call__)": calls and (solve is None or kind.__call__ is not solve),
    }
    found = [way for way, holds in ways.items() if holds]
    if len(found) > 1:
        raise Unusable(
            f"{name} could be {' or '.join(found)}: rename the attributes of all but the one that "
            "you mean, or derive an estimator from gradpareto.Estimator"
        )


def over(solver: LaneSolver) -> dict[str, Estimator]:
    """The estimators that a solver alone becomes."""
    return {
        "ctpg": CtpgOver(solver, TIGHT["tolerance"]),
        "gauss_adjoint": GaussAdjointOver(solver, TIGHT["tolerance"]),
        "backsolve": BacksolveOver(solver, TIGHT["tolerance"]),
    }


def _is_subclass(given: object, kind: type) -> bool:
    return isinstance(given, type) and issubclass(given, kind)


def _instance(kind: type, name: str) -> Any:
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))  # type: ignore[attr-defined]
        raise Unusable(f"{name} is abstract: it lacks {missing}")
    try:
        return kind()
    except TypeError as error:
        raise Unusable(
            f"{name} cannot be made without arguments ({error}): name an instance of it"
        ) from error


def _takes_four(function: Callable[..., Any], name: str) -> bool:
    """Whether it is called as a solver is, and not as an estimator. Raises Unusable if neither."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        raise Unusable(f"{name} does not tell its arguments: wrap it in a function") from None
    fits = []
    for count in (3, 4):
        try:
            signature.bind(*range(count))
            fits.append(count)
        except TypeError:
            pass
    if not fits:
        raise Unusable(f"{name}{signature} is not {KINDS}")
    return fits == [4] or (len(fits) == 2 and "tolerance" in signature.parameters)


def _declared(estimator: Estimator, name: str) -> Estimator:
    """The estimator, with a `tight` if it has none. Raises Unusable on declarations of no sense."""
    knob = getattr(estimator, "knob", None)
    if knob not in get_args(Knob):
        known = " or ".join(map(repr, get_args(Knob)))
        raise Unusable(f"{name}: its knob is {knob!r}, not {known}")
    if getattr(estimator, "tight", None) is None:
        object.__setattr__(estimator, "tight", TIGHT.get(str(knob)))
    if not isinstance(estimator.tight, (int, float)) or not 0 < estimator.tight < float("inf"):
        raise Unusable(f"{name}: its tight setting is {estimator.tight!r}, not a positive number")
    return estimator


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def declared_by(estimator: Estimator) -> Mapping[str, Any]:
    """What it declares, by name."""
    return {name: getattr(estimator, name) for name in declarations()}
