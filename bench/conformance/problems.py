"""Small problems on which an estimator is looked at, and what counts the calls it does not pay."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from gradpareto.systems import TASKS, Array, Policy, Problem, System
from gradpareto.systems.policy import Layers
from gradpareto.systems.stiff import Stiff

JUMP = 0.618


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
    """A right-hand side that jumps, and says when."""
    return Problem(Gear(), Policy((1, 1), ("identity",)), np.array([-0.8, 0.3]), 1.0)


def regulator() -> Problem:
    """Two states, linear in everything."""
    return replace(TASKS["lqr"].problem("perturbed"), horizon=1.0)


def pendulum() -> Problem:
    """Three states, hardly damped."""
    policy = Policy(sizes=(2, 1), activations=("identity",))
    return Problem(Stiff(rate=1.0), policy, np.array([-3.0, 1.0, 0.1]), 1.0)


def rotorcraft() -> Problem:
    """The quadrotor under a small perceptron."""
    system = TASKS["quadrotor"].system
    policy = Policy(
        (TASKS["quadrotor"].policy.sizes[0], 4, system.control_dim), ("tanh", "identity")
    )
    return Problem(system, policy, policy.glorot(np.random.default_rng(4), 0.3), 0.5)


SMOOTH: Mapping[str, Callable[[], Problem]] = {
    "linear regulator": regulator,
    "pendulum": pendulum,
    "quadrotor": rotorcraft,
}
PROBLEMS = {**SMOOTH, "jump": gear}


class WatchedSystem(System):
    """A system that counts its own rows, in `rows`, whoever calls it."""

    def __init__(self, system: System, rows: Counter[str]) -> None:
        self._system, self._rows = system, rows
        for name in ("state_dim", "control_dim", "observation_dim", "horizon", "breakpoints"):
            setattr(self, name, getattr(system, name))
        self.velocity_of = system.velocity_of  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> "WatchedSystem":
        return self

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        self._rows["dynamics"] += len(x)
        return self._system.flow(t, x, u)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        self._rows["dynamics"] += len(x)
        return self._system.pullback(t, x, u, a, c)

    def observe(self, t: Array, x: Array) -> Array:
        return self._system.observe(t, x)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return self._system.observe_pullback(t, x, o)

    def terminal(self, x: Array) -> Array:
        return self._system.terminal(x)

    def terminal_gradient(self, x: Array) -> Array:
        return self._system.terminal_gradient(x)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return self._system.sample_x0(rng, samples)


@dataclass(frozen=True)
class WatchedPolicy(Policy):
    """A policy that counts its own rows."""

    rows: Counter[str]

    def forward(self, layers: Layers, o: Array) -> list[Array]:
        self.rows["policy"] += len(o)
        return super().forward(layers, o)


def watched(problem: Problem) -> tuple[Problem, Counter[str]]:
    """The same problem, whose parts count rows by themselves."""
    rows: Counter[str] = Counter()
    policy = WatchedPolicy(problem.policy.sizes, problem.policy.activations, rows)
    return replace(problem, system=WatchedSystem(problem.system, rows), policy=policy), rows
