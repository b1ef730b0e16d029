"""The trajectories of learned policies, and the states that learning asks for, for pictures."""

import numpy as np

from gradpareto.bench.learning.setups import Setup
from gradpareto.bench.run.meter import Meter, with_meter
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import solve_states
from gradpareto.systems import Array, Problem

TOLERANCE = 1e-6
POINTS = 200
ATTEMPTS = 20_000


def paths(
    problem: Problem,
    x0: Array,
    points: int = POINTS,
    tolerance: float = TOLERANCE,
    attempts: int = ATTEMPTS,
) -> tuple[Array, Array]:
    """Return times (points,) and states (points, B, state_dim) of the closed loop from x0.

    They are solved by the reference's method; a lane is NaN from where it cannot be solved in
    `attempts` steps from one point to the next.
    """
    times = np.linspace(0, problem.horizon, points)
    return times, solve_states(problem, x0, times, tolerance, attempts)


class _Visited(Meter):
    """A meter that keeps the states at which an estimator asks for dynamics."""

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self.states: list[Array] = []

    def see(self, problem: Problem, oracle: str, lane: Array, t: Array, *arrays: Array) -> None:
        self.states.append(arrays[0].copy())
        super().see(problem, oracle, lane, t, *arrays)


def visited(
    setup: Setup, estimator: str, setting: float, theta: Array, seed: int, iteration: int
) -> Array:
    """Return states (n, state_dim) at which an iteration asks for the first trial's dynamics."""
    problem, x0 = setup.batch_of(theta[None], np.zeros(1, dtype=int), seed, iteration)
    meter = _Visited(len(x0))
    ESTIMATORS[estimator](with_meter(problem.exact, meter), x0, setting)
    return np.concatenate(meter.states)
