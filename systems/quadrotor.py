"""The quadrotor of Sabatino (2015), Eq. 2.25, flown to the origin."""

from dataclasses import dataclass

import numpy as np

from systems.policy import Policy
from systems.system import Array, System
from systems.task import INITIAL_SEED, Task

POSITION, ANGLES, VELOCITY, RATES = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)


@dataclass(frozen=True)
class Quadrotor(System):
    """States: position (z down), angles psi, theta, phi, linear velocity, body rates p, q, r.

    Controls: thrust u1 and torques u2, u3, u4. SI units. The policy observes sine, cosine and
    tangent of angles and rates, the squared norms of position and velocity, and the raw state,
    where the paper's code wraps angles and rates to [0, 2 pi), a jump that no adjoint sees.
    """

    gravity: float = 9.8
    mass: float = 1.0
    inertia: tuple[float, float, float] = (1.0, 1.0, 1.0)
    horizon: float = 5.0
    state_dim = 12
    control_dim = 4
    observation_dim = 32

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        p, q, r = x[:, 9], x[:, 10], x[:, 11]
        (s_psi, s_theta, s_phi), (c_psi, c_theta, c_phi) = (
            np.sin(x[:, ANGLES].T),
            np.cos(x[:, ANGLES].T),
        )
        ix, iy, iz = self.inertia
        lift = u[:, 0] / self.mass
        swing = q * s_phi + r * c_phi
        dx = np.empty_like(x, dtype=np.result_type(x, u))
        dx[:, POSITION] = x[:, VELOCITY]
        dx[:, 3] = swing / c_theta
        dx[:, 4] = q * c_phi - r * s_phi
        dx[:, 5] = p + swing * (s_theta / c_theta)
        dx[:, 6] = -(s_phi * s_psi + c_phi * c_psi * s_theta) * lift
        dx[:, 7] = -(c_psi * s_phi - c_phi * s_psi * s_theta) * lift
        dx[:, 8] = self.gravity - c_phi * c_theta * lift
        dx[:, 9] = ((iy - iz) * q * r + u[:, 1]) / ix
        dx[:, 10] = ((iz - ix) * p * r + u[:, 2]) / iy
        dx[:, 11] = ((ix - iy) * p * q + u[:, 3]) / iz
        squares = x * x
        place = squares[:, POSITION].sum(axis=1) + squares[:, VELOCITY].sum(axis=1)
        return dx, place + 0.01 * (u * u).sum(axis=1)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        p, q, r = x[:, 9], x[:, 10], x[:, 11]
        (s_psi, s_theta, s_phi), (c_psi, c_theta, c_phi) = (
            np.sin(x[:, ANGLES].T),
            np.cos(x[:, ANGLES].T),
        )
        a_psi, a_theta, a_phi, a_vx, a_vy, a_vz, a_p, a_q, a_r = a.T[3:]
        ix, iy, iz = self.inertia
        lift = u[:, 0] / self.mass
        swing, slide = q * s_phi + r * c_phi, q * c_phi - r * s_phi
        # psi' and phi' both go by swing / cos(theta).
        a_p, a_q, a_r = a_p / ix, a_q / iy, a_r / iz
        shared = (a_psi + a_phi * s_theta) / c_theta
        gx = np.empty_like(x)
        gx[:, POSITION] = 2 * c[:, None] * x[:, POSITION]
        gx[:, VELOCITY] = a[:, POSITION] + 2 * c[:, None] * x[:, VELOCITY]
        gx[:, 3] = lift * (
            a_vx * (c_phi * s_psi * s_theta - s_phi * c_psi)
            + a_vy * (s_psi * s_phi + c_phi * c_psi * s_theta)
        )
        gx[:, 4] = swing * (a_psi * s_theta + a_phi) / (c_theta * c_theta) + lift * c_phi * (
            (a_vy * s_psi - a_vx * c_psi) * c_theta + a_vz * s_theta
        )
        gx[:, 5] = (
            shared * slide
            - a_theta * swing
            + lift
            * (
                a_vx * (s_phi * c_psi * s_theta - c_phi * s_psi)
                - a_vy * (c_psi * c_phi + s_phi * s_psi * s_theta)
                + a_vz * s_phi * c_theta
            )
        )
        gx[:, 9] = a_phi + a_q * (iz - ix) * r + a_r * (ix - iy) * q
        gx[:, 10] = shared * s_phi + a_theta * c_phi + a_p * (iy - iz) * r + a_r * (ix - iy) * p
        gx[:, 11] = shared * c_phi - a_theta * s_phi + a_p * (iy - iz) * q + a_q * (iz - ix) * p
        gu = 0.02 * c[:, None] * u
        gu[:, 0] -= (
            a_vx * (s_phi * s_psi + c_phi * c_psi * s_theta)
            + a_vy * (c_psi * s_phi - c_phi * s_psi * s_theta)
            + a_vz * c_phi * c_theta
        ) / self.mass
        gu[:, 1] += a_p
        gu[:, 2] += a_q
        gu[:, 3] += a_r
        return gx, gu

    def observe(self, t: Array, x: Array) -> Array:
        turning = np.concatenate([x[:, ANGLES], x[:, RATES]], axis=1)
        sin, cos = np.sin(turning), np.cos(turning)
        squares = x * x
        norms = squares[:, POSITION].sum(axis=1), squares[:, VELOCITY].sum(axis=1)
        return np.concatenate([sin, cos, sin / cos, np.stack(norms, axis=1), x], axis=1)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        turning = np.concatenate([x[:, ANGLES], x[:, RATES]], axis=1)
        sin, cos = np.sin(turning), np.cos(turning)
        gturning = o[:, :6] * cos - o[:, 6:12] * sin + o[:, 12:18] / (cos * cos)
        gx = o[:, 20:].copy()
        gx[:, ANGLES] += gturning[:, :3]
        gx[:, RATES] += gturning[:, 3:]
        gx[:, POSITION] += 2 * o[:, 18:19] * x[:, POSITION]
        gx[:, VELOCITY] += 2 * o[:, 19:20] * x[:, VELOCITY]
        return gx

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        x0 = np.zeros((samples, 12))
        x0[:, POSITION] = rng.uniform(-2.5, 2.5, (samples, 3))
        x0[:, ANGLES] = 0.1 * rng.standard_normal((samples, 3))
        x0[:, RATES] = 0.1 * rng.standard_normal((samples, 3))
        return x0


TASK = Task(
    system=Quadrotor(),
    policy=Policy(sizes=(32, 64, 64, 4), activations=("tanh", "tanh", "identity")),
    presets={"initial": lambda policy: policy.glorot(np.random.default_rng(INITIAL_SEED), 0.1)},
)
