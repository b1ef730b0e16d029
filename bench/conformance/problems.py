"""The small problems on which estimators are checked and measured, with their true gradients."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np

from gradpareto.bench.conformance.course import BREAKPOINTS, STRETCHES, Course
from gradpareto.bench.conformance.probes import kept, moved
from gradpareto.estimators import Estimate
from gradpareto.reference.closed_form import closed_form
from gradpareto.reference.gauss_legendre import gauss_legendre
from gradpareto.systems import LQR, TASKS, Array, Policy, Problem, System
from gradpareto.systems.stiff import Stiff

JUMP = 0.618
STIFF_RATE = 1e4
SAMPLES = 3
SEED = 1
PARTS = ("loss", "dL/dx0", "dL/dtheta")
ROUGH = (0.9, -0.6, 1.4, 0.2, -0.8)
STEPS = 32
"""The collocation steps in a smooth segment, which leave an error of about 1e-15."""


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
    """The registered LQR, with two states, over a time that is no multiple of a round step."""
    return replace(TASKS["lqr"].problem("perturbed"), horizon=0.9137)


def pendulum(horizon: float = 1.0473) -> Problem:
    """A pendulum that swings and is hardly damped, with three states."""
    policy = Policy(sizes=(2, 1), activations=("identity",))
    return Problem(Stiff(rate=1.0), policy, np.array([-3.0, 1.0, 0.1]), horizon)


def rotorcraft() -> Problem:
    """The quadrotor under a small perceptron."""
    system = TASKS["quadrotor"].system
    policy = Policy(
        (TASKS["quadrotor"].policy.sizes[0], 4, system.control_dim), ("tanh", "identity")
    )
    return Problem(system, policy, policy.glorot(np.random.default_rng(4), 0.3), 0.4871)


def course(*ground: float, running: float = 1.0) -> Problem:
    """A course whose ground is as given, under a perceptron whose weights are all rectangular."""
    policy = Policy((4, 5, 3), ("tanh", "identity"))
    rng = np.random.default_rng(5)
    theta = policy.glorot(rng) + 0.1 * rng.standard_normal(policy.size)
    system = Course(ground, running)
    return Problem(system, policy, theta, system.horizon)


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
    "terminal cost alone": partial(course, *STRETCHES * [0.5], running=0.0),
    "smooth course": partial(course, *STRETCHES * [0.5]),
}
"""Problems whose right-hand sides are smooth. The first three have no terminal cost; the last two
depend on time and have a context."""
ROUGH_COURSES: Mapping[str, Callable[[], Problem]] = {
    **{
        f"jump at {t:g}": partial(course, *k * [1.3], *(STRETCHES - k) * [-0.4])
        for k, t in enumerate(BREAKPOINTS, 1)
    },
    "jumps at all of them": partial(course, *ROUGH[:STRETCHES]),
}
"""Problems that differ in the contexts of their samples alone."""
JUMPS: Mapping[str, Callable[[], Problem]] = {**ROUGH_COURSES, "jump of the dynamics": gear}
"""Problems that declare breakpoints, and at which of them the right-hand side jumps."""
PROBLEMS = {**SMOOTH, **JUMPS}


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

    def parts(self, loss: Array, gradient: Array) -> dict[str, Array]:
        """Split losses (B,) and stacked gradients (B, d + P) into the PARTS, (B, .) each."""
        width = self.x0.shape[1]
        return dict(
            zip(PARTS, (loss[:, None], gradient[:, :width], gradient[:, width:]), strict=True)
        )

    @property
    def true(self) -> dict[str, Array]:
        """The true PARTS."""
        return self.parts(self.loss, self.gradient)

    def part_errors(self, estimate: Estimate, samples: slice = slice(None)) -> dict[str, float]:
        """The largest relative error of some samples in each of the PARTS; infinite if one lacks.

        Each is relative to the norm of its own part, since none vanishes on these problems: an
        error in a small part does not hide behind a large one.
        """
        given = self.parts(estimate.loss, estimate.gradient)
        return {
            part: _relative_error(given[part][samples], true[samples])
            for part, true in self.true.items()
        }

    def worst_error(self, estimate: Estimate) -> float:
        """The largest of the errors of the PARTS."""
        return max(self.part_errors(estimate).values())


def _relative_error(given: Array, true: Array) -> float:
    off = np.linalg.norm(given - true, axis=1) / np.linalg.norm(true, axis=1)
    return float(off.max()) if np.isfinite(off).all() else np.inf


def sampled(problem: Problem) -> tuple[Problem, Array]:
    """The problem with SAMPLES initial states of its own, moved as `probes` says."""
    return moved(*problem.sample(np.random.default_rng(SEED), SAMPLES))


@kept
def solved(name: str) -> Solved:
    """One of PROBLEMS, by its name, with sampled initial states."""
    return _collocated(*sampled(PROBLEMS[name]()))


def batches(names: Iterable[str]) -> Iterator[tuple[list[str], Solved]]:
    """Give the problems as `solved`, the rough courses among them as one batch, in their order.

    SAMPLES rows of the batch belong to each.
    """
    rough = [name for name in names if name in ROUGH_COURSES]
    alone = [[name] for name in names if name not in ROUGH_COURSES]
    for batch in filter(None, [rough, *alone]):
        yield batch, _joined([solved(name) for name in batch])


def _joined(parts: Sequence[Solved]) -> Solved:
    """Join problems that differ in their contexts alone."""
    first = parts[0]
    if len(parts) == 1:
        return first
    context = np.concatenate([part.problem.context for part in parts])
    x0, loss, gradient = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("x0", "loss", "gradient")
    )
    return Solved(replace(first.problem, context=context), x0, loss, gradient)


@kept
def swing(horizon: float = 4.0) -> Solved:
    """The pendulum from one initial state away from rest."""
    return _collocated(*moved(pendulum(horizon), np.array([[1.0, -0.5, 0.8]])))


@kept
def circling() -> Solved:
    """The orbit over one unit of time, whose costs are as high at the end as at the start."""
    return _collocated(*moved(orbit(1.0), np.array([[1.0, -0.5], [0.3, 0.8]])))


@kept
def settling_motor() -> Solved:
    """The motor from one initial state off the slow manifold."""
    problem, x0 = moved(motor(), np.array([[1.0, 0.5]]))
    truth = closed_form(problem, x0)
    return Solved(problem, x0, truth.loss, truth.gradient)


def _collocated(problem: Problem, x0: Array) -> Solved:
    """Solve a problem by the reference's collocation, whose error is rounding on this mesh."""
    mesh = [np.linspace(*ends, STEPS + 1) for ends in pairwise(problem.segments)]
    truth = gauss_legendre(problem, x0, mesh)
    return Solved(problem, x0, truth.loss, truth.gradient)
