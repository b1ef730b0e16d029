"""A user's solver, a function `solve(rhs, span, y0, tolerance)`, whose results are checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.estimators.solvers.per_lane.solver import (
    LaneRightHandSide,
    SegmentSolution,
    SolveFailed,
)
from gradpareto.systems import Array

CHECKED_AT = (0.0, 0.236, 0.618, 1.0)
"""A solution is evaluated at these fractions of the span at once, and again later."""


@dataclass(frozen=True)
class UserSolver:
    """A user's function `solve(rhs, span, y0, tolerance)`, which returns the solution y(t).

    `span` = (t0, t1), descending where it integrates backward; `rhs(t, y)` returns a new array;
    y(t) is (m,) for a number t. The solution may have the accepted times as `t` or `ts`, from t0 to
    t1; it may also be an object with the solution as `sol`, as SciPy's results are, and with
    `success` and a `message`.

    The result is copied at once. Raises ValueError if it is no solution, or if it changes when the
    solver is used again.
    """

    solve: Callable[..., Any]
    name: str
    stiff: bool = False

    def __call__(
        self,
        rhs: LaneRightHandSide,
        left: float,
        right: float,
        y0: Array,
        tolerance: float,
        dense: bool,
    ) -> SegmentSolution:
        def checked(t: float, y: Array) -> Array:
            # What is kept of a state, for the cotangents, is not to change with the solver's y.
            return rhs(float(t), self._state(y, len(y0), "called the right-hand side with y of"))

        found = self.solve(checked, (left, right), y0.copy(), tolerance)
        if getattr(found, "success", True) is False:
            raise SolveFailed(f"{self.name}: {getattr(found, 'message', 'no success')}")
        solution = found if callable(found) else getattr(found, "sol", None)
        if not callable(solution):
            raise ValueError(
                f"{self.name} returned {type(found).__name__}, not a solution to be called with t"
            )

        def at(t: float) -> Array:
            return self._state(solution(t), len(y0), "has a solution whose y(t) is of")

        checked_at = [left + fraction * (right - left) for fraction in CHECKED_AT]
        seen = [at(t) for t in checked_at]
        self._check_ends(seen, y0)

        def verify() -> None:
            if any(not np.array_equal(at(t), y) for t, y in zip(checked_at, seen, strict=True)):
                raise ValueError(
                    f"{self.name}: a solution changed after it was returned, when the solver was "
                    "used again: its arrays are shared, copy them"
                )

        return SegmentSolution(seen[-1], at, self._times(found, solution, left, right), verify)

    def _state(self, y: object, size: int, what: str) -> Array:
        """Copy y (size,) as float64. Raises ValueError if it is anything else."""
        values = np.asarray(y)
        if values.shape != (size,):
            raise ValueError(f"{self.name} {what} shape {values.shape}, not ({size},)")
        if values.dtype.kind not in "fiu":
            raise ValueError(f"{self.name} {what} dtype {values.dtype}, not a real number's")
        return np.array(values, dtype=float)

    def _check_ends(self, seen: list[Array], y0: Array) -> None:
        """Check that the solution is finite and starts at y0.

        Raises SolveFailed, which gives the lane up, or ValueError.
        """
        if not np.isfinite(seen).all():
            raise SolveFailed(f"{self.name}: a solution that is not finite")
        off = np.max(np.abs(seen[0] - y0), initial=0.0)
        if off > 1e-6 * (1 + np.max(np.abs(y0), initial=0.0)):
            raise ValueError(f"{self.name}: its solution does not start at y0, but {off:.1e} off")

    def _times(self, found: object, solution: object, left: float, right: float) -> Array | None:
        for holder in (found, solution):
            for name in ("t", "ts"):
                if (given := getattr(holder, name, None)) is not None:
                    return self._mesh(given, left, right)
        return None

    def _mesh(self, given: Any, left: float, right: float) -> Array:
        times = np.array(given, dtype=float)
        forward = np.sign(right - left)
        ends = times[[0, -1]] if times.ndim == 1 and len(times) > 1 else np.array([np.nan, np.nan])
        near = np.allclose(ends, (left, right), rtol=0, atol=1e-9 * abs(right - left))
        if not near or not (np.diff(times) * forward > 0).all():
            raise ValueError(
                f"{self.name}: the accepted times of its solution do not run from {left:g} to "
                f"{right:g}"
            )
        times[[0, -1]] = left, right
        return times
