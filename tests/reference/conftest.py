"""Problems small enough that their truth is known."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from gradpareto.systems import LQR, TASKS, Array, Policy, Problem, System

LINEAR = ("identity",)
HORIZONS = {"stiff": 0.02, "lorenz": 2.0, "cartpole": 0.1, "quadrotor": 1.0}
"""Shorter than the systems' own: 200 of stiff's fast time constants, 2 of Lorenz's slow ones, and
two of the cart-pole's, whose policy's kinks at ELU are expensive to resolve."""


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


@dataclass(frozen=True)
class Clamped(System):
    """A particle drawn to the origin, x'' = u - x / max(|x|, 0.3)^3, w = x^2 + x'^2 + u^2.

    The force is continuous, its derivative jumps from -1/0.027 to 2/0.027 where |x| grows past 0.3.
    """

    horizon: float = 2.0
    state_dim = 2
    control_dim = 1
    observation_dim = 2

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        force = u[:, 0] - x[:, 0] / self.distance(x) ** 3
        return np.stack([x[:, 1], force], axis=1), (x * x).sum(axis=1) + u[:, 0] * u[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        distance = self.distance(x)
        stiffness = np.where(distance > 0.3, 2, -1) / distance**3
        gx = 2 * c[:, None] * x + np.stack([stiffness * a[:, 1], a[:, 0]], axis=1)
        return gx, a[:, 1:] + 2 * c[:, None] * u

    def distance(self, x: Array) -> Array:
        place = x[:, 0]
        return np.where(np.abs(place.real) > 0.3, np.sign(place.real) * place, 0.3)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(0.5, 1.0, (samples, 2))


@pytest.fixture
def clamped() -> tuple[Problem, Array]:
    """Crosses the clamp's edges, where the force has a kink, more than once."""
    policy = Policy((2, 8, 1), ("tanh", "identity"))
    problem = Problem(Clamped(), policy, policy.glorot(np.random.default_rng(1)), 2.0)
    return problem, problem.system.sample_x0(np.random.default_rng(2), 2)


@pytest.fixture
def exponential_linear() -> tuple[Problem, Array]:
    """An oscillator with ELU in the policy: its second derivative jumps, unit by unit."""
    policy = Policy((2, 8, 8, 1), ("elu", "elu", "identity"))
    A, B, eye = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[0.0], [1.0]]), np.eye(2)
    system = LQR(A, B, eye, np.eye(1), 0 * eye, horizon=3.0)
    problem = Problem(system, policy, policy.glorot(np.random.default_rng(1)), 3.0)
    return problem, problem.system.sample_x0(np.random.default_rng(2), 2)


@pytest.fixture
def switched() -> Problem:
    """W = 0 and u = b = 0.5, so that x(t) is known, whatever the gradient in W."""
    return Problem(Switched(), Policy((1, 1), LINEAR), np.array([0.0, 0.5]), 2.0)


EXACT = [name for name, task in TASKS.items() if task.system.truth is None]


REGISTERED = [(name, next(iter(TASKS[name].presets))) for name in EXACT]
REGISTERED += [("lqr", "perturbed"), ("quadrotor", "trained")]
"""Presets of a system differ in their parameters alone: two systems are here with two of them."""


@pytest.fixture(params=REGISTERED, ids="-".join)
def registered(request: pytest.FixtureRequest) -> tuple[Problem, Array]:
    """Every registered system that has references of its own, with two samples."""
    name, preset = request.param
    problem = TASKS[name].problem(preset)
    problem = replace(problem, horizon=HORIZONS.get(name, problem.horizon))
    return problem.sample(np.random.default_rng(0), 2)


@pytest.fixture
def four_by_two() -> Problem:
    """4 states, 2 controls; A, b and Q_T nonzero."""
    return lqr_problem(seed=7, n=4, k=2, horizon=2.0)


@pytest.fixture(scope="module")
def small_lqr() -> tuple[Problem, Array]:
    """The paper's LQR off its optimum, over a fifth of its horizon, with two samples."""
    task = TASKS["lqr"]
    problem = Problem(task.system, task.policy, task.presets["perturbed"](task.policy), 2.0)
    return problem.sample(np.random.default_rng(3), 2)
