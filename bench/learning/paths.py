"""Trajectories of learned policies, for pictures."""

from dataclasses import dataclass, field

import numpy as np

from gradpareto.bench.learning.setups import Setup
from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import TSIT5
from gradpareto.systems import Array, Factors, Problem

TOLERANCE = 1e-6
POINTS = 200


def paths(
    problem: Problem, x0: Array, points: int = POINTS, tolerance: float = TOLERANCE
) -> tuple[Array, Array]:
    """Times (points,) and states (points, B, state_dim) of the closed loop from x0."""
    forward = solve_forward(
        problem, x0, problem.segments, TSIT5, Adaptive.from_tolerance(tolerance), dense=True
    )
    times = np.linspace(0, problem.horizon, points)
    assert forward.dense is not None
    lanes = np.array([k for k in range(len(x0)) if k not in forward.failed], dtype=int)
    states = np.full((points, *x0.shape), np.nan)
    for row, t in zip(states, times, strict=True):
        row[lanes] = forward.dense(lanes, np.full(len(lanes), t))
    return times, states


@dataclass(frozen=True)
class _Watched(Problem):
    """A problem that keeps the states at which its dynamics were asked for."""

    seen: list[Array] = field(kw_only=True, compare=False, repr=False)

    def flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        self.seen.append(x.copy())
        return super().flow(lane, t, x)

    def pullback(
        self, lane: Array, t: Array, x: Array, a: Array, c: Array
    ) -> tuple[Array, Factors]:
        self.seen.append(x.copy())
        return super().pullback(lane, t, x, a, c)


def visited(
    setup: Setup, estimator: str, setting: float, theta: Array, seed: int, iteration: int
) -> Array:
    """States (n, state_dim) at which an iteration of the first trial asks for dynamics."""
    problem, x0 = setup.batch_of(theta[None], np.zeros(1, dtype=int), seed, iteration)
    problem = problem.exact
    seen: list[Array] = []
    watched = _Watched(
        problem.system, problem.policy, problem.theta, problem.horizon, problem.context, seen=seen
    )
    ESTIMATORS[estimator](watched, x0, setting)
    return np.concatenate(seen)
