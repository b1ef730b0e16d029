"""Problems small enough that their truth is known."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from systems import LQR, TASKS, Array, Policy, Problem, System

LINEAR = ("identity",)


def lqr_problem(seed: int, n: int, k: int, horizon: float) -> Problem:
    """Every matrix and the bias nonzero, the closed loop about neutral."""
    rng = np.random.default_rng(seed)

    def symmetric(size: int) -> Array:
        root = rng.standard_normal((size, size))
        return (root @ root.T).round(3)

    A, B = rng.standard_normal((n, n)).round(3), rng.standard_normal((n, k)).round(3)
    system = LQR(A, B, symmetric(n), symmetric(k), symmetric(n), horizon)
    theta = 0.5 * rng.standard_normal(k * (n + 1))
    return Problem(system, Policy((n, k), LINEAR), theta, horizon)


@dataclass(frozen=True)
class Switched(System):
    """x' = -x + u + drive, w = x^2 + u^2, where the drive jumps from 1 to -2 at t = 1.25."""

    horizon: float = 2.0
    state_dim = 1
    control_dim = 1
    observation_dim = 1
    breakpoints: ClassVar[tuple[float, ...]] = (1.25,)

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        drive = np.where(t < self.breakpoints[0], 1.0, -2.0)
        return -x + u + drive[:, None], (x * x + u * u)[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 2 * c[:, None] * x - a, 2 * c[:, None] * u + a

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.standard_normal((samples, 1))


@pytest.fixture
def switched() -> Problem:
    """W = 0 and u = b = 0.5, so that x(t) is known, whatever the gradient in W."""
    return Problem(Switched(), Policy((1, 1), LINEAR), np.array([0.0, 0.5]), 2.0)


PRESETS = [
    (name, preset)
    for name, task in TASKS.items()
    if task.system.truth is None
    for preset in task.presets
]


@pytest.fixture(params=PRESETS)
def registered(request: pytest.FixtureRequest) -> tuple[Problem, Array]:
    """Every registered problem, with two samples."""
    name, preset = request.param
    problem = TASKS[name].problem(preset)
    return problem.sample(np.random.default_rng(0), 2)


@pytest.fixture
def four_by_two() -> Problem:
    """4 states, 2 controls; A, b and Q_T nonzero."""
    return lqr_problem(seed=7, n=4, k=2, horizon=2.0)


@pytest.fixture
def small_lqr() -> tuple[Problem, Array]:
    """The paper's LQR off its optimum, over a fifth of its horizon, with two samples."""
    task = TASKS["lqr"]
    problem = Problem(task.system, task.policy, task.presets["perturbed"](task.policy), 2.0)
    return problem.sample(np.random.default_rng(3), 2)
