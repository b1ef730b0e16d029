"""MALI: the asynchronous leapfrog method, undone step by step (Zhuang et al. 2021).

x_half = x + h/2 v, v+ = 2 f(x_half) - v, x+ = x_half + h/2 v+.
"""

from dataclasses import dataclass, replace

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.reversible import Reversible, Segment, State
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array


@dataclass(frozen=True)
class Mali(Reversible):
    """The undamped asynchronous leapfrog method of Zhuang, Dvornek, Tatikonda and Duncan (2021).

    It advances x and a velocity v, which starts as f(x): x_half = x + h/2 v, u = f(x_half),
    v+ = 2u - v, x+ = x_half + h/2 v+ = x + h u. The running cost is integrated like any state, so
    that a step adds h w(x_half) to it. The inverse of a step is the step with -h. The method has
    the stability of the two-step midpoint rule: an error of v along a mode that decays by
    exp(-rate T) is multiplied by exp(rate T).
    """

    @property
    def declares(self) -> Declaration:
        return replace(
            super().declares,
            calls_per_step=3,
            order=2,
            source="Zhuang et al. 2021 (arXiv 2102.04668), Algorithms 2 and 3",
        )

    def start(self, segment: Segment, x: Array) -> State:
        return x, segment.flow(0, x)[0]

    def step(self, segment: Segment, k: int, state: State) -> tuple[State, Array]:
        x, v = state
        half = segment.h / 2
        middle = x + half * v
        u, cost = segment.flow(k + 0.5, middle)
        v = 2 * u - v
        return (middle + half * v, v), segment.h * cost

    def undo(
        self, segment: Segment, k: int, state: State, cotangents: State, theta: ThetaSum
    ) -> tuple[State, State]:
        (x, v), (ax, av) = state, cotangents
        half = segment.h / 2
        middle = x - half * v
        v = 2 * segment.flow(k + 0.5, middle)[0] - v
        av = av + half * ax
        ax = ax + segment.pull(k + 0.5, middle, 2 * av, segment.h, theta)
        return (middle - half * v, v), (ax, half * ax - av)

    def pull_start(
        self, segment: Segment, state: State, cotangents: State, theta: ThetaSum
    ) -> Array:
        ax, av = cotangents
        return ax + segment.pull(0, state[0], av, 0.0, theta)
