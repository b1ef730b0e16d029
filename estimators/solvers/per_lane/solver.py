"""The interface between a solver of one lane's initial-value problem and the estimators over it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradpareto.estimators.solvers.mesh import inside
from gradpareto.systems import Array


class SolveFailed(RuntimeError):  # noqa: N818
    """An error that a solver raises where it gives a lane up; its text says why."""


@dataclass(frozen=True)
class LaneRightHandSide:
    """The right-hand side y' = rhs(t, y) of one lane in a segment, for t a number and y (m,).

    It depends on the first `reads` entries of y; the others are integrals, which an implicit solver
    may exploit. `function` takes times (1,), which are moved inside the segment.
    """

    function: Callable[[Array, Array], Array]
    left: float
    right: float
    reads: int

    def __call__(self, t: float, y: Array) -> Array:
        return self.function(inside(np.array([t]), self.left, self.right), y)


@dataclass(frozen=True)
class SegmentSolution:
    """A solution over one segment: y (m,) at its end, y(t) by `at`, the accepted times (N + 1,).

    Without `dense` there may be no `at`, and `times` is None if the solver does not tell them.
    `verify` raises ValueError if the solution is no longer what it was.
    """

    end: Array
    at: Callable[[float], Array] | None = None
    times: Array | None = None
    verify: Callable[[], None] = lambda: None

    @property
    def steps(self) -> int:
        """The number of accepted steps, 0 if they are not known."""
        return 0 if self.times is None else len(self.times) - 1


class LaneSolver(Protocol):
    """A solver that integrates from `left` to `right`, which may lie before it.

    The `tolerance` is relative. It raises SolveFailed where it gives up, and anything else where it
    is broken.
    """

    @property
    def name(self) -> str:
        """The name of the solver in messages."""

    @property
    def stiff(self) -> bool:
        """Whether accuracy alone bounds the solver's steps."""

    def __call__(
        self,
        rhs: LaneRightHandSide,
        left: float,
        right: float,
        y0: Array,
        tolerance: float,
        dense: bool,
    ) -> SegmentSolution: ...
