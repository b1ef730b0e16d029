"""Makes estimators of a plug-in's object, which is an estimator, a solver or a tableau."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import scipy

from gradpareto.bench.nearest import nearest
from gradpareto.bench.plugins.source import Unusable
from gradpareto.estimators import Declaration, Estimate, Estimator
from gradpareto.estimators.per_lane import PerLaneBacksolve, PerLaneCtpg, PerLaneGaussAdjoint
from gradpareto.estimators.solvers.explicit.order_conditions import check
from gradpareto.estimators.solvers.per_lane.scipy_solver import ScipySolver
from gradpareto.estimators.solvers.per_lane.solver import LaneSolver
from gradpareto.estimators.solvers.per_lane.user_solver import UserSolver
from gradpareto.estimators.tableau_forms import as_tableau, forms
from gradpareto.systems import Array, Problem

TIGHT = {"tolerance": 1e-8, "step": 0.01}
"""The tight setting of a plug-in that declares none, by its knob."""
KINDS = (
    "an Estimator, or a function (problem, x0, setting); a solver (rhs, span, y0, tolerance) or an "
    "OdeSolver; or a tableau with a, b and c"
)


@dataclass(frozen=True)
class FunctionEstimator(Estimator):
    """An estimator made of a function (problem, x0, setting) and of what its attributes declare."""

    function: Callable[[Problem, Array, float], Estimate]
    declared: Declaration

    @property
    def declares(self) -> Declaration:
        return self.declared

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        return self.function(problem, x0, setting)


def estimators_of(given: object, name: str) -> dict[str, Estimator]:
    """Return the estimators that an object makes, by their forms; "" is the form of an estimator.

    Raises Unusable if the object is of no known kind, or is not sound.
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
        return {"": _whole(whole, name)}
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
    return {"": FunctionEstimator(given, _declared(given, name))}


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
    """The estimators that a solver can be used in, by their forms."""
    return {
        "ctpg": PerLaneCtpg(solver, TIGHT["tolerance"]),
        "gauss_adjoint": PerLaneGaussAdjoint(solver, TIGHT["tolerance"]),
        "backsolve": PerLaneBacksolve(solver, TIGHT["tolerance"]),
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
    """Whether a function takes a solver's four arguments, and not an estimator's three.

    Raises Unusable if it takes neither.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:
        raise Unusable(f"the arguments of {name} cannot be read: wrap it in a function") from None
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


def _whole(estimator: Estimator, name: str) -> Estimator:
    """The estimator itself, if it gives the record. Raises Unusable."""
    try:
        declared = estimator.declares
    except ValueError as error:
        raise Unusable(f"{name}: {error}") from error
    if not isinstance(declared, Declaration):
        raise Unusable(f"{name}: its `declares` is {declared!r}, not a Declaration")
    return estimator


def _declared(given: Callable[..., Any], name: str) -> Declaration:
    """The record of a function's, or an object's, plain attributes; nothing is written into it.

    Raises Unusable on a value that makes no sense, and on a function's attribute that is almost the
    name of a declaration.
    """
    known = [field.name for field in fields(Declaration)]
    for attribute in vars(given) if inspect.isfunction(given) else ():
        near = nearest(attribute, known, likeness=0.8)
        if near and attribute not in known:
            raise Unusable(f"{name}: it declares {attribute!r}{near}")
    found = {part: getattr(given, part) for part in known if hasattr(given, part)}
    knob = found.setdefault("knob", "tolerance")
    if knob in TIGHT:
        found.setdefault("tight", TIGHT[knob])
    try:
        return Declaration(**{"tight": None} | found)
    except ValueError as error:
        raise Unusable(f"{name}: {error}") from error


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
