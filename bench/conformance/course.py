"""A system on which every kind of term of a gradient shows: jumps, time, context, both costs."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from gradpareto.systems import Array, System

DRIFT = np.array([[-0.4, 1.1], [-0.9, -0.2]])
BREAKPOINTS = (0.1373, 0.3619, 0.6871, 1.0457)
STRETCHES = len(BREAKPOINTS) + 1
PUSH = np.array([[0.7, -0.3, 0.2], [0.4, 0.9, -0.5]])


@dataclass(frozen=True, eq=False)
class Course(System):
    """Two states follow a moving goal over rough ground.

    x' = A x + B u + r(t) (1, -1), the running cost is `running` (|x - g(t)|^2 + r(t)^2 |u|^2 / 10),
    and the terminal cost is `ending` (|x|^2 + x_1). The goal g(t) goes round a centre. The
    roughness r(t) has one value in each of five stretches of time, and jumps at the four
    breakpoints between them. None of these is a multiple of another, nor is the horizon a multiple
    of a round step. A sample's context is its centre and its five values of the roughness, those of
    `ground` where it is drawn.

    The policy observes the state and, as the system depends on time, the goal.
    """

    ground: tuple[float, ...]
    running: float = 1.0
    ending: float = 1.0
    centre: Array = field(default_factory=lambda: np.zeros((1, 2)))
    """The centre of each row (R, 2)."""
    rough: Array = field(default_factory=lambda: np.zeros((1, STRETCHES)))
    """The roughness of each row (R, 5), one number for each stretch."""
    horizon: float = 1.2137
    state_dim = 2
    control_dim = 3
    observation_dim = 4
    context_dim = 2 + STRETCHES
    breakpoints: ClassVar[tuple[float, ...]] = BREAKPOINTS

    def within(self, context: Array) -> Self:
        return replace(self, centre=context[:, :2], rough=context[:, 2:])

    def goal(self, t: Array) -> Array:
        """The goal (R, 2) at the times t (R,)."""
        return self.centre + 0.5 * np.stack([np.cos(2 * t), np.sin(3 * t)], axis=1)

    def roughness(self, t: Array) -> Array:
        """The roughness (R, 1) at the times t (R,)."""
        stretch = np.searchsorted(self.breakpoints, t, side="right")
        return self.rough[np.arange(len(t)), stretch][:, None]

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        kind = np.result_type(x, u)
        rough = self.roughness(t).astype(x.real.dtype)
        missed = np.subtract(x, self.goal(t), dtype=kind)
        cost = (missed * missed).sum(axis=1) + 0.1 * rough[:, 0] ** 2 * (u * u).sum(axis=1)
        drift = x @ DRIFT.T.astype(kind) + u @ PUSH.T.astype(kind)
        return drift + rough * np.array([1, -1], kind), self.running * cost

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        rough = self.roughness(t).astype(x.dtype)
        missed = np.subtract(x, self.goal(t), dtype=x.dtype)
        twice = 2 * self.running * c[:, None]
        gx = a @ DRIFT.astype(x.dtype) + twice * missed
        return gx, a @ PUSH.astype(x.dtype) + 0.1 * twice * rough**2 * u

    def observe(self, t: Array, x: Array) -> Array:
        return np.concatenate([x, self.goal(t)], axis=1, dtype=x.dtype)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return o[:, :2]

    def terminal(self, x: Array) -> Array:
        return np.asarray(self.ending * ((x * x).sum(axis=1) + x[:, 0]))

    def terminal_gradient(self, x: Array) -> Array:
        return np.asarray(self.ending * (2 * x + np.array([1, 0], x.dtype)))

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return 0.5 + rng.random((samples, 2))

    def sample_context(self, rng: np.random.Generator, x0: Array) -> Array:
        centre = rng.uniform(-1, 1, (len(x0), 2))
        return np.hstack([centre, np.tile(self.ground, (len(x0), 1))])
