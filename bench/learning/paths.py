"""The trajectories of learned policies, and the states that learning asks for, for pictures."""

from dataclasses import dataclass, field

import numpy as np

from gradpareto.bench.learning.setups import Setup
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import solve_states
from gradpareto.systems import Array, Factors, Problem

TOLERANCE = 1e-6
POINTS = 200


def paths(
    problem: Problem, x0: Array, points: int = POINTS, tolerance: float = TOLERANCE
) -> tuple[Array, Array]:
    """Return times (points,) and states (points, B, state_dim) of the closed loop from x0.

    They are solved by the reference's method; a lane is NaN from where it cannot be solved.
    """
    times = np.linspace(0, problem.horizon, points)
    return times, solve_states(problem, x0, times, tolerance)


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
    """Return states (n, state_dim) at which an iteration asks for the first trial's dynamics."""
    problem, x0 = setup.batch_of(theta[None], np.zeros(1, dtype=int), seed, iteration)
    problem = problem.exact
    seen: list[Array] = []
    watched = _Watched(
        problem.system, problem.policy, problem.theta, problem.horizon, problem.context, seen=seen
    )
    ESTIMATORS[estimator](watched, x0, setting)
    return np.concatenate(seen)
