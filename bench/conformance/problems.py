"""The small problems on which estimators are checked and measured, with their true gradients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np

from gradpareto.estimators import Estimate
from gradpareto.reference import certify
from gradpareto.reference.closed_form import closed_form
from gradpareto.systems import LQR, TASKS, Array, Policy, Problem, System
from gradpareto.systems.stiff import Stiff

JUMP = 0.618
STIFF_RATE = 1e4
SAMPLES = 2
SEED = 1


@dataclass(frozen=True)
class Gear(System):
    """x' = g x + u, w = g^2 x^2 + u^2, J = x^2, whose gear g is -1 up to JUMP, 1.5 after it."""

    horizon: float = 1.0
    state_dim = 1
    control_dim = 1
    observation_dim = 1
    breakpoints: ClassVar[tuple[float, ...]] = (JUMP,)

    def _gear(self, t: Array, x: Array) -> Array:
        return np.where(t < JUMP, -1.0, 1.5)[:, None].astype(x.real.dtype)

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        g = self._gear(t, x)
        return g * x + u, (g * g * x * x + u * u)[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        g = self._gear(t, x)
        return g * a + 2 * c[:, None] * g * g * x, a + 2 * c[:, None] * u

    def terminal(self, x: Array) -> Array:
        return np.asarray(x[:, 0] ** 2)

    def terminal_gradient(self, x: Array) -> Array:
        return 2 * x

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return 1 + rng.random((samples, 1))


def gear() -> Problem:
    """A scalar system whose right-hand side jumps at a time that it declares."""
    return Problem(Gear(), Policy((1, 1), ("identity",)), np.array([-0.8, 0.3]), 1.0)


def regulator() -> Problem:
    """The registered LQR, with two states, over a unit of time."""
    return replace(TASKS["lqr"].problem("perturbed"), horizon=1.0)


def pendulum(horizon: float = 1.0) -> Problem:
    """A pendulum that swings and is hardly damped, with three states."""
    policy = Policy(sizes=(2, 1), activations=("identity",))
    return Problem(Stiff(rate=1.0), policy, np.array([-3.0, 1.0, 0.1]), horizon)


def rotorcraft() -> Problem:
    """The quadrotor under a small perceptron."""
    system = TASKS["quadrotor"].system
    policy = Policy(
        (TASKS["quadrotor"].policy.sizes[0], 4, system.control_dim), ("tanh", "identity")
    )
    return Problem(system, policy, policy.glorot(np.random.default_rng(4), 0.3), 0.5)


def orbit(horizon: float) -> Problem:
    """An LQR that circles and neither grows nor decays, so that steps go with the horizon."""
    one = np.eye(2)
    system = LQR(A=0 * one, B=one, Q=one, R=one, Q_T=one, horizon=horizon)
    theta = np.array([0.0, 1.0, -1.0, 0.0, 0.1, -0.2])
    return Problem(system, Policy((2, 2), ("identity",)), theta, horizon)


def motor() -> Problem:
    """A stiff LQR with a position and a speed, whose speed settles within 1 / STIFF_RATE."""
    one = np.eye(2)
    system = LQR(
        A=np.array([[0.0, 1.0], [0.0, -STIFF_RATE]]),
        B=np.array([[0.0], [STIFF_RATE]]),
        Q=one,
        R=np.eye(1),
        Q_T=one,
        horizon=1.0,
    )
    return Problem(system, Policy((2, 1), ("identity",)), np.array([-1.5, 0.2, 0.1]), 1.0)


SMOOTH: Mapping[str, Callable[[], Problem]] = {
    "linear regulator": regulator,
    "pendulum": pendulum,
    "quadrotor": rotorcraft,
}
PROBLEMS = {**SMOOTH, "jump": gear}


@dataclass(frozen=True)
class Solved:
    """A problem and initial states x0 (B, d), whose losses (B,) and gradients (B, d + P) are known.

    They come from the reference, which shares no solver with the estimators.
    """

    problem: Problem
    x0: Array
    loss: Array
    gradient: Array

    def gradient_errors(self, estimate: Estimate) -> Array:
        """The relative error of each sample's stacked gradient, (B,)."""
        off = np.linalg.norm(estimate.gradient - self.gradient, axis=1)
        return np.asarray(off / np.linalg.norm(self.gradient, axis=1))

    def worst_error(self, estimate: Estimate) -> float:
        """The largest relative error of a gradient or a loss; infinite where one is missing."""
        losses = np.abs(estimate.loss - self.loss) / np.abs(self.loss)
        worst = float(np.max([self.gradient_errors(estimate), losses]))
        return worst if np.isfinite(worst) else np.inf


def sampled(problem: Problem) -> tuple[Problem, Array]:
    """The problem with SAMPLES initial states of its own, the same ones every time."""
    return problem.sample(np.random.default_rng(SEED), SAMPLES)


@cache
def solved(name: str) -> Solved:
    """One of PROBLEMS, by its name, with sampled initial states."""
    return _certified(*sampled(PROBLEMS[name]()))


@cache
def swing(horizon: float = 4.0) -> Solved:
    """The pendulum from one initial state away from rest."""
    return _certified(pendulum(horizon), np.array([[1.0, -0.5, 0.8]]))


@cache
def settling_motor() -> Solved:
    """The motor from one initial state off the slow manifold."""
    problem, x0 = motor(), np.array([[1.0, 0.5]])
    truth = closed_form(problem, x0)
    return Solved(problem, x0, truth.loss, truth.gradient)


def _certified(problem: Problem, x0: Array) -> Solved:
    reference = certify(problem, x0)
    return Solved(problem, x0, reference.loss, reference.gradient)
