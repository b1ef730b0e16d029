"""Chooses how a derivative is made: the first maker whose product agrees with another's."""

import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradpareto.systems.derive.reverse import by_autograd
from gradpareto.systems.derive.row_function import RowFunction, Rows
from gradpareto.systems.derive.steps import ComplexStep, Differences
from gradpareto.systems.derive.symbolic import by_sympy
from gradpareto.systems.faults import Unsound, method_of
from gradpareto.systems.system import Array

Product = Callable[[Array | None, Array, Array, Array], Array]
"""A vector-Jacobian product: of contexts, t (R,), inputs (R, n) and cotangents (R, m): (R, n)."""
EXACT, DIFFERENCED = 1e-10, 1e-6
"""The largest error of a product, relative to its largest entry: beside a complex step, and beside
differences."""
INSTALL = "pip install 'gradpareto[derive]'"
SLOW = ("autograd", "complex step", "differences")
"""Makers whose products take many times as long as one that is derived by hand."""


@dataclass(frozen=True)
class Derivative:
    """A derivative: the maker of its product, the one it was checked with, and how they differ."""

    maker: str
    product: Product
    checked_with: str
    difference: float

    def __str__(self) -> str:
        return f"{self.maker} ({self.difference:.0e} off {self.checked_with})"


def _stepped(function: RowFunction, at: Rows) -> ComplexStep:
    made = ComplexStep(function)
    made(at.context, at.t, at.z, np.ones_like(function(at.context, at.t, at.z)))
    return made


def _differenced(function: RowFunction, at: Rows) -> Differences:
    scale = np.abs(at.z).max(axis=0)
    return Differences(function, np.where(scale > 0, scale, 1.0))


MAKERS: Mapping[str, Callable[[RowFunction, Rows], Product]] = {
    "SymPy": by_sympy,
    "complex step": _stepped,
    "autograd": by_autograd,
    "differences": _differenced,
}
"""The makers, the fastest product first: `pytest tests/benchmarks -k product` times them. Each
raises whatever stops it."""


@dataclass(frozen=True)
class _Judge:
    """The product that others are compared with, its maker, and the largest error allowed."""

    name: str
    product: Array
    bound: float


def derivative(function: RowFunction, at: Rows, simulated: bool = False) -> Derivative:
    """Make the derivative of a function, and check it at rows with another maker's.

    Each product has to agree with that of complex steps, where those agree with differences, and
    with differences otherwise. Differences are compared with those of half the steps, and are all
    that there is for a simulator. Raises Unsound, which says what stopped each maker.
    """
    stopped: dict[str, str] = {}
    with np.errstate(all="ignore"):
        a = np.random.default_rng(0).standard_normal(function(at.context, at.t, at.z).shape)
        given = at.context, at.t, at.z, a
        finer = Differences(function, _differenced(function, at).scale / 2)(*given)
        differences = _Judge("differences", finer, DIFFERENCED)
        judge = differences if simulated else _best_judge(function, at, a, differences)
        for name in ("differences",) if simulated else MAKERS:
            product, stopped[name] = _tried(MAKERS[name], function, at)
            if product is None:
                continue
            beside = differences if name in (judge.name, "differences") else judge
            off = _difference(product(*given), beside.product)
            if off <= beside.bound:
                return Derivative(name, product, beside.name, off)
            stopped[name] = f"its product is {off:.0e} off that of {beside.name}"
    reasons = "; ".join(f"{name}: {reason}" for name, reason in stopped.items())
    raise Unsound(f"no derivative of {method_of(function.system, function.name)}: {reasons}")


def _best_judge(function: RowFunction, at: Rows, a: Array, differences: _Judge) -> _Judge:
    """Return complex steps as the judge, if they agree with differences, and else differences."""
    stepped, _ = _tried(_stepped, function, at)
    if stepped is None:
        return differences
    exact = stepped(at.context, at.t, at.z, a)
    agree = _difference(exact, differences.product) <= DIFFERENCED
    return _Judge("complex step", exact, EXACT) if agree else differences


def _tried(
    make: Callable[[RowFunction, Rows], Product], function: RowFunction, at: Rows
) -> tuple[Product | None, str]:
    """Return a maker's product, or None and what stopped it."""
    try:
        with warnings.catch_warnings():  # of an imaginary part that is dropped
            warnings.simplefilter("ignore")
            return make(function, at), ""
    except ImportError as error:
        return None, f"it is not installed: {INSTALL} ({error.name})"
    except Exception as error:
        return None, f"{_line(function, error)}{(str(error).splitlines() or [''])[0]}"


def _line(function: RowFunction, error: Exception) -> str:
    """Say at which line of the system's own file an error was raised."""
    own = sys.modules.get(type(function.system).__module__)
    file = getattr(own, "__file__", None)
    lines = [
        call.lineno for call in traceback.extract_tb(error.__traceback__) if call.filename == file
    ]
    return f"line {lines[-1]}: " if lines else ""


def _difference(found: Array, other: Array) -> float:
    """Return the largest difference of two products, relative to the largest entry of the second.

    It is inf where one of them is not finite.
    """
    if found.shape != other.shape or not (np.isfinite(found) & np.isfinite(other)).all():
        return np.inf
    size = np.abs(other).max(initial=0.0)
    return float(np.abs(found - other).max(initial=0.0) / (size or 1.0))
