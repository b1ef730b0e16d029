"""What a solver of one lane's ODE is to whoever makes a gradient of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradpareto.estimators.solvers.mesh import inside
from gradpareto.systems import Array


class SolveFailed(RuntimeError):  # noqa: N818
    """A solver gave a lane up; the text says why."""


@dataclass(frozen=True)
class LaneRightHandSide:
    """y' = rhs(t, y) of one lane within a segment, for t a number, y (m,) -> (m,).

    It depends on the first `reads` entries of y; the others are integrals, which an implicit solver
    may use. `function` is of times (1,), which are moved inside the segment.
    """

    function: Callable[[Array, Array], Array]
    left: float
    right: float
    reads: int

    def __call__(self, t: float, y: Array) -> Array:
        return self.function(inside(np.array([t]), self.left, self.right), y)


@dataclass(frozen=True)
class SegmentSolution:
    """A solve over one segment: y (m,) at its end, y(t) by `at`, the accepted times (N + 1,).

    Without `dense` there may be no `at`; a solver that does not tell its `times` has None. `verify`
    raises ValueError if the solution is no longer what it was.
    """

    end: Array
    at: Callable[[float], Array] | None = None
    times: Array | None = None
    verify: Callable[[], None] = lambda: None

    @property
    def steps(self) -> int:
        """Accepted steps, 0 if they are not known."""
        return 0 if self.times is None else len(self.times) - 1


class LaneSolver(Protocol):
    """Integrates from `left` to `right`, which may lie before it, to a relative tolerance.

    Raises SolveFailed where it gives up, anything else where it is broken.
    """

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def stiff(self) -> bool:
        """Whether accuracy alone bounds its steps."""

    def __call__(
        self,
        rhs: LaneRightHandSide,
        left: float,
        right: float,
        y0: Array,
        tolerance: float,
        dense: bool,
    ) -> SegmentSolution: ...
