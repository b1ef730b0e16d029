"""The cart-pole swing-up of the DeepMind Control Suite (Tassa et al. 2018), in closed form.

The mass matrix M, the moment m and the inertia I of the pole about its hinge give

    M = [[cart + pole mass, m cos(angle)], [m cos(angle), I]],
    M (position'', angle'') = (gear u - slider damping position' + m sin(angle) angle'^2,
                               gravity m sin(angle) - hinge damping angle').
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, initial, trained


@dataclass(frozen=True)
class CartPole(System):
    """A cart with a pole; the states are cart position, hinge angle (0 upright) and velocities.

    The control is the force over `gear`. Units are SI. The pole is a uniform capsule, from the
    hinge to `pole_length` above it, whose hemispherical ends lie beyond both. The cost is
    w = -cos(angle) + 0.01 position^2.

    The suite's rail ends at +-4.8, by a spring that is stiff and not smooth; here it has no end:
    the cost of the position keeps the cart inside. A policy that ends in tanh keeps the control
    within the suite's -1 to 1; here nothing clips it.
    """

    gravity: float = 9.81
    cart_mass: float = 1.0
    pole_mass: float = 0.1
    pole_length: float = 1.0
    pole_radius: float = 0.045
    slider_damping: float = 5e-4
    hinge_damping: float = 2e-6
    gear: float = 10.0
    horizon: float = 3.0
    state_dim = 4
    control_dim = 1
    observation_dim = 4
    velocity_of: ClassVar[Mapping[int, int]] = MappingProxyType({0: 2, 1: 3})

    @property
    def moment(self) -> float:
        """The pole's first moment of mass about the hinge."""
        return 0.5 * self.pole_length * self.pole_mass

    @property
    def hinge_inertia(self) -> float:
        """The pole's moment of inertia about the hinge.

        A hemisphere's centre of mass is 3/8 of its radius off its base, and 83/320 m r^2 is its
        inertia about a diameter there.
        """
        length, radius = self.pole_length, self.pole_radius
        ends = self.pole_mass * 4 * radius / (4 * radius + 3 * length)
        shaft = self.pole_mass - ends
        ends_inertia = 83 / 320 * radius**2 + (0.5 * length + 0.375 * radius) ** 2
        return (
            shaft * (length**2 / 12 + radius**2 / 4)
            + ends * ends_inertia
            + self.pole_mass * length**2 / 4
        )

    def cost(self, x: Array) -> Array:
        """Return w (R,)."""
        return 0.01 * x[:, 0] * x[:, 0] - np.cos(x[:, 1])

    def cost_pullback(self, x: Array, c: Array) -> Array:
        """Return the cotangent of x (R, 4) for the cotangent c (R,) of w."""
        gx = np.zeros_like(x)
        gx[:, 0] = 0.02 * c * x[:, 0]
        gx[:, 1] = c * np.sin(x[:, 1])
        return gx

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return np.concatenate([x[:, 2:], self._accelerations(x, u)], axis=1), self.cost(x)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        sin, cos, spin = np.sin(x[:, 1]), np.cos(x[:, 1]), x[:, 3]
        slide, turn = self._accelerations(x, u).T
        # The mass matrix M is symmetric: M^-1 a is the cotangent of the forces.
        push, twist = self._solve(cos, a[:, 2], a[:, 3]).T
        gx = self.cost_pullback(x, c)
        gx[:, 1] += self.moment * (
            cos * (push * spin * spin + twist * self.gravity) + sin * (push * turn + twist * slide)
        )
        gx[:, 2] = a[:, 0] - self.slider_damping * push
        gx[:, 3] = a[:, 1] + 2 * self.moment * sin * spin * push - self.hinge_damping * twist
        return gx, self.gear * push[:, None]

    def _accelerations(self, x: Array, u: Array) -> Array:
        """Solve Lagrange's equations, M acceleration = force, for the accelerations (R, 2)."""
        sin, spin = np.sin(x[:, 1]), x[:, 3]
        force = (
            self.gear * u[:, 0] - self.slider_damping * x[:, 2] + self.moment * sin * spin * spin
        )
        torque = self.gravity * self.moment * sin - self.hinge_damping * spin
        return self._solve(np.cos(x[:, 1]), force, torque)

    def _solve(self, cos: Array, force: Array, torque: Array) -> Array:
        """Return M^-1 (force, torque) (R, 2)."""
        total, turning = self.cart_mass + self.pole_mass, self.hinge_inertia
        coupling = self.moment * cos
        slide, turn = turning * force - coupling * torque, total * torque - coupling * force
        return np.stack([slide, turn], axis=1) / (total * turning - coupling * coupling)[:, None]

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        x0 = np.zeros((samples, 4))
        x0[:, :2] = rng.uniform(-0.1, 0.1, (samples, 2))
        x0[:, 1] += np.pi
        return x0


TASK = Task(
    system=CartPole(),
    policy=Policy(sizes=(4, 64, 64, 1), activations=("elu", "elu", "tanh")),
    presets={"initial": initial(), "trained": trained("cartpole")},
)
