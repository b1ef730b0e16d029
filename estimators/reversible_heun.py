"""The reversible Heun method, undone step by step (Kidger, Foster, Li and Lyons 2021).

z+ = 2y - z + h f(z), y+ = y + h/2 (f(z) + f(z+)).
"""

from dataclasses import dataclass, replace

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.reversible import Reversible, Segment, State
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array


@dataclass(frozen=True)
class ReversibleHeun(Reversible):
    """The reversible Heun method of Kidger, Foster, Li and Lyons (2021).

    It advances y, and beside it z with its slope m = f(z): z+ = 2y - z + h m, m+ = f(z+),
    y+ = y + h/2 (m + m+). The running cost is integrated as y is, by the trapezoidal rule of w(z).
    Like MALI, the method is stable on the imaginary axis alone.
    """

    @property
    def declares(self) -> Declaration:
        return replace(
            super().declares,
            calls_per_step=3,
            order=2,
            source="Kidger et al. 2021 (arXiv 2105.13493), Algorithms 1 and 2",
        )

    def start(self, segment: Segment, x: Array) -> State:
        return (x, x, *segment.flow(0, x))

    def step(self, segment: Segment, k: int, state: State) -> tuple[State, Array]:
        y, z, m, w = state
        half = segment.h / 2
        z = 2 * y - z + segment.h * m
        slope, cost = segment.flow(k + 1, z)
        return (y + half * (m + slope), z, slope, cost), half * (w + cost)

    def undo(
        self, segment: Segment, k: int, state: State, cotangents: State, theta: ThetaSum
    ) -> tuple[State, State]:
        (y, z, m, w), (ay, az, am, aw) = state, cotangents
        h, half = segment.h, segment.h / 2
        weight = half if k == segment.steps - 1 else h  # of w(z), in this trapezoid and the next
        az = az + segment.pull(k + 1, z, am + half * ay, weight, theta)
        z = 2 * y - z - h * m
        if k:
            slope, cost = segment.flow(k, z)
            y = y - half * (slope + m)
        else:  # the first y and z are one, and nobody asks for the slope there again
            y, slope, cost = z, m, w
        return (y, z, slope, cost), (ay + 2 * az, -az, half * ay + h * az, aw)

    def pull_start(
        self, segment: Segment, state: State, cotangents: State, theta: ThetaSum
    ) -> Array:
        ay, az, am, _ = cotangents
        return ay + az + segment.pull(0, state[0], am, segment.h / 2, theta)
