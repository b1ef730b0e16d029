"""A charge between eight electrodes follows a moving goal (Hu et al. 2020, DiffTaichi)."""

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, initial, trained

PAD = 0.1
ELECTRODES = np.array(
    [
        *[(PAD, PAD), (PAD, 1 - PAD), (1 - PAD, 1 - PAD), (1 - PAD, PAD)],
        *[(0.5, 1 - PAD), (0.5, PAD), (PAD, 0.5), (1 - PAD, 0.5)],
    ]
)
"""The corners of a square and the middles of its sides (8, 2)."""
POSITION, VELOCITY = slice(0, 2), slice(2, 4)


@dataclass(frozen=True, eq=False)
class Electric(System):
    """A charged particle; the states are its position and velocity in the plane.

    The controls are the electrodes' charges u (8,):
    x'' = K sum_i u_i r_i / max(|r_i|, 0.1)^3 - damping x', r_i from electrode i to the particle, so
    that a positive charge repels it. The cost is the squared distance to a goal that moves through
    three points of the unit square, the context, at a constant velocity up to T/2 and another after
    it. The policy observes state, goal, and the goal's displacement from one point to the next.

    At |r_i| = 0.1 the force is continuous and its Jacobian jumps, so the loss is differentiable and
    no jump enters the adjoint, but solvers lose order there. At exactly 0.1 the derivative is that
    from inside, where the force is linear in r_i, hence smooth at the electrode as well.

    The damping is the paper's. DiffTaichi's, 0.2 per unit of time, is seven times as strong.
    """

    points: Array = field(default_factory=lambda: np.full((1, 6), np.nan))
    """The goal's three points (R, 6), for each row; NaN, no goal, where there is no context."""
    strength: float = 1e-3
    nearest: float = 0.1
    damping: float = 0.029910179730323616
    horizon = 15.36
    breakpoints = (7.68,)
    state_dim = 4
    control_dim = 8
    observation_dim = 8
    context_dim = 6
    velocity_of = MappingProxyType({0: 2, 1: 3})

    def within(self, context: Array) -> Self:
        return replace(self, points=context)

    def goal(self, t: Array) -> tuple[Array, Array]:
        """Return the goal (R, 2), and its displacement over the segment of t (R, 2)."""
        (turn,), (first, second, third) = self.breakpoints, np.split(self.points, 3, axis=1)
        displacement = np.where((t < turn)[:, None], second - first, third - second)
        return second + (t / turn - 1)[:, None] * displacement, displacement

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        away, _, reach = self._fields(x)
        force = np.einsum("rk,prk->rp", reach * u, away)
        dx = np.empty_like(x, dtype=np.result_type(x, u))
        dx[:, POSITION] = x[:, VELOCITY]
        dx[:, VELOCITY] = force - self.damping * x[:, VELOCITY]
        missed = np.subtract(x[:, POSITION], self.goal(t)[0], dtype=x.dtype)
        return dx, (missed * missed).sum(axis=1)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        away, bent, reach = self._fields(x)
        pushed = a[:, VELOCITY]
        gu = reach * np.einsum("prk,rp->rk", away, pushed)
        turned = bent * u * gu
        missed = np.subtract(x[:, POSITION], self.goal(t)[0], dtype=x.dtype)
        gx = np.empty_like(x)
        gx[:, POSITION] = (
            (reach * u).sum(axis=1)[:, None] * pushed
            - np.einsum("rk,prk->rp", turned, away)
            + 2 * c[:, None] * missed
        )
        gx[:, VELOCITY] = a[:, POSITION] - self.damping * pushed
        return gx, gu

    def observe(self, t: Array, x: Array) -> Array:
        return np.concatenate([x, *self.goal(t)], axis=1, dtype=x.dtype)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return o[:, :4]

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        """Draw particles at rest, where the goal starts."""
        x0 = np.zeros((samples, 4))
        x0[:, POSITION] = _points(rng, samples, 1)
        return x0

    def sample_context(self, rng: np.random.Generator, x0: Array) -> Array:
        """Draw the goal's points: the particle's own position, and two more."""
        return np.concatenate([x0[:, POSITION], _points(rng, len(x0), 2)], axis=1)

    def _fields(self, x: Array) -> tuple[Array, Array, Array]:
        """Return r_i (2, R, 8) of the electrodes, and their terms of the force (R, 8).

        With r = max(|r_i|, `nearest`) these are 3 / r^2, or 0 where |r_i| is less, and K / r^3.
        """
        place = x[:, POSITION].T[:, :, None]
        away = np.subtract(place, ELECTRODES.T[:, None], dtype=x.dtype)
        squares = np.einsum("prk,prk->rk", away, away)
        outside = squares.real > self.nearest**2
        squares = np.where(outside, squares, self.nearest**2)
        return away, np.where(outside, 3 / squares, 0), self.strength / (squares * np.sqrt(squares))


def _points(rng: np.random.Generator, samples: int, count: int) -> Array:
    """Draw points in the middle of the square (samples, 2 count)."""
    return 0.2 + 0.6 * rng.random((samples, 2 * count))


TASK = Task(
    system=Electric(),
    policy=Policy(sizes=(8, 64, 8), activations=("tanh", "tanh")),
    presets={"initial": initial(0.1), "trained": trained("electric")},
)
