"""A chaotic system: that of Lorenz (1963), with a weak push as its control."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, initial, trained

_ORBIT_STEPS, _ORBIT_STEP = 1000, 0.01


@dataclass(frozen=True)
class Lorenz(System):
    """The Lorenz system; the states are x, y, z, and one control in -1 .. 1 pushes y.

    x' = sigma (y - x), y' = x (rho - z) - y + strength u, z' = x y - beta z. The policy sees the
    state, divided by 10. Neighbouring trajectories part like exp(0.9 t), and a gradient and the
    rounding in it grow alike: no estimator in double precision keeps its last digits.
    The cost is the squared distance to the unstable equilibrium with positive x, over 100.
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3
    strength: float = 1.0
    horizon: float = 20.0
    state_dim = 3
    control_dim = 1
    observation_dim = 3

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        away = self._away(x)
        cost = 0.01 * ((away * away).sum(axis=1) + u[:, 0] * u[:, 0])
        return self._drift(x, self.strength * u[:, 0]), cost

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        X, Y, Z = x.T
        gx = 0.02 * c[:, None] * self._away(x)
        gx[:, 0] += a[:, 1] * (self.rho - Z) - self.sigma * a[:, 0] + a[:, 2] * Y
        gx[:, 1] += self.sigma * a[:, 0] - a[:, 1] + a[:, 2] * X
        gx[:, 2] -= a[:, 1] * X + self.beta * a[:, 2]
        return gx, self.strength * a[:, 1:2] + 0.02 * c[:, None] * u

    def observe(self, t: Array, x: Array) -> Array:
        return 0.1 * x

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return 0.1 * o

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        """Draw points of the attractor: random points after 10 units of time (RK4)."""
        x, h = self._equilibrium() + rng.uniform(-5, 5, (samples, 3)), _ORBIT_STEP
        for _ in range(_ORBIT_STEPS):
            k1 = self._drift(x)
            k2 = self._drift(x + 0.5 * h * k1)
            k3 = self._drift(x + 0.5 * h * k2)
            k4 = self._drift(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x

    def _drift(self, x: Array, push: Array | float = 0.0) -> Array:
        X, Y, Z = x.T
        rates = self.sigma * (Y - X), X * (self.rho - Z) - Y + push, X * Y - self.beta * Z
        return np.stack(rates, axis=1)

    def _away(self, x: Array) -> Array:
        return np.subtract(x, self._equilibrium(), dtype=x.dtype)

    def _equilibrium(self) -> Array:
        across = np.sqrt(self.beta * (self.rho - 1))
        return np.array([across, across, self.rho - 1])


TASK = Task(
    system=Lorenz(),
    policy=Policy(sizes=(3, 16, 1), activations=("tanh", "tanh")),
    presets={"initial": initial(), "trained": trained("lorenz")},
)
