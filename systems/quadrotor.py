"""The quadrotor of Sabatino (2015), Eq. 2.25, flown to the origin."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, initial, trained

POSITION, ANGLES, VELOCITY, RATES = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)


def _turn(q: Array, r: Array, sin: Array, cos: Array) -> tuple[Array, Array]:
    """Turn the pair (q, r): return q sin + r cos, and its derivative in the angle."""
    return q * sin + r * cos, q * cos - r * sin


def columns(x: Array) -> Array:
    """Return x (R, m) transposed, with each component's R numbers side by side in memory."""
    return x.T.copy()


def _halves(components: Array) -> tuple[Array, Array]:
    """Return views (2, 3, R) of angles and rates, and of position and velocity."""
    blocks = components.reshape(4, 3, -1)
    return blocks[1::2], blocks[::2]


@dataclass(frozen=True)
class Quadrotor(System):
    """A quadrotor; the states are position (z down), angles, linear velocity and body rates.

    The angles are psi, theta and phi, the rates p, q and r; the controls are the thrust u1 and the
    torques u2, u3 and u4. Units are SI. The policy observes the sine, cosine and tangent of angles
    and rates, the squared norms of position and of velocity, and the raw state. If `wrapped`, as in
    the paper's code, the policy sees the angles and rates of that state modulo 2 pi, in [0, 2 pi):
    they jump where no adjoint sees it.
    """

    gravity: float = 9.8
    mass: float = 1.0
    inertia: tuple[float, float, float] = (1.0, 1.0, 1.0)
    horizon: float = 5.0
    wrapped: bool = False
    state_dim = 12
    control_dim = 4
    observation_dim = 32

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        state = columns(x)
        angles, (p, q, r) = state[ANGLES], state[RATES]
        (s_psi, s_theta, s_phi), (c_psi, c_theta, c_phi) = np.sin(angles), np.cos(angles)
        ix, iy, iz = self.inertia
        lift = u[:, 0] / self.mass
        swing, slide = _turn(q, r, s_phi, c_phi)
        thrust_x, thrust_y = _turn(s_phi, c_phi * s_theta, s_psi, c_psi)
        dx = np.empty_like(state, dtype=np.result_type(x, u))
        dx[POSITION] = state[VELOCITY]
        dx[3] = swing / c_theta
        dx[4] = slide
        dx[5] = p + dx[3] * s_theta
        dx[6] = -lift * thrust_x
        dx[7] = -lift * thrust_y
        dx[8] = self.gravity - lift * c_phi * c_theta
        dx[9] = ((iy - iz) * q * r + u[:, 1]) / ix
        dx[10] = ((iz - ix) * p * r + u[:, 2]) / iy
        dx[11] = ((ix - iy) * p * q + u[:, 3]) / iz
        _, moving = _halves(state)
        return columns(dx), (moving * moving).sum(axis=(0, 1)) + 0.01 * (u * u).sum(axis=1)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        state, adjoint = columns(x), columns(a)
        angles, (p, q, r) = state[ANGLES], state[RATES]
        (s_psi, s_theta, s_phi), (c_psi, c_theta, c_phi) = np.sin(angles), np.cos(angles)
        a_psi, a_theta, a_phi, a_vx, a_vy, a_vz, a_p, a_q, a_r = adjoint[3:]
        ix, iy, iz = self.inertia
        a_p, a_q, a_r = a_p / ix, a_q / iy, a_r / iz
        b_p, b_q, b_r = (iy - iz) * a_p, (iz - ix) * a_q, (ix - iy) * a_r
        lift = u[:, 0] / self.mass
        swing, slide = _turn(q, r, s_phi, c_phi)
        # psi' and phi' both go by swing / cos(theta).
        shared = (a_psi + a_phi * s_theta) / c_theta
        by_q, by_r = _turn(shared, a_theta, s_phi, c_phi)
        # The velocity's cotangent, turned by psi, theta and phi: the last is along the thrust.
        aside, ahead = _turn(a_vx, a_vy, s_psi, c_psi)
        up, by_theta = _turn(ahead, a_vz, s_theta, c_theta)
        along, by_phi = _turn(aside, up, s_phi, c_phi)
        twice = 2 * c
        gx = np.empty_like(state)
        gx[POSITION] = twice * state[POSITION]
        gx[VELOCITY] = adjoint[POSITION] + twice * state[VELOCITY]
        gx[3] = lift * (aside * c_phi * s_theta - ahead * s_phi)
        gx[4] = swing * (a_psi * s_theta + a_phi) / (c_theta * c_theta) - lift * c_phi * by_theta
        gx[5] = shared * slide - a_theta * swing - lift * by_phi
        gx[9] = a_phi + b_q * r + b_r * q
        gx[10] = by_q + b_p * r + b_r * p
        gx[11] = by_r + b_p * q + b_q * p
        gu = np.array([-along / self.mass, a_p, a_q, a_r]).T
        return columns(gx), 0.01 * twice[:, None] * u + gu

    def observe(self, t: Array, x: Array) -> Array:
        o = np.empty((32, len(x)), x.dtype)
        o[20:] = x.T
        turning, moving = _halves(o[20:])
        sin, cos, tan = o[:18].reshape(3, 2, 3, -1)
        np.sin(turning, out=sin)
        np.cos(turning, out=cos)
        np.divide(sin, cos, out=tan)
        np.sum(moving * moving, axis=1, out=o[18:20])
        if self.wrapped:
            turning -= 2 * np.pi * np.floor(turning.real / (2 * np.pi))
        return columns(o)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        seen = columns(o)
        turning, moving = _halves(columns(x))
        sin, cos = np.sin(turning), np.cos(turning)
        o_sin, o_cos, o_tan = seen[:18].reshape(3, 2, 3, -1)
        gx = seen[20:].copy()
        g_turning, g_moving = _halves(gx)
        g_turning += o_sin * cos - o_cos * sin + o_tan / (cos * cos)
        g_moving += 2 * seen[18:20, None] * moving
        return columns(gx)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        x0 = np.zeros((samples, 12))
        x0[:, POSITION] = rng.uniform(-2.5, 2.5, (samples, 3))
        x0[:, ANGLES] = 0.1 * rng.standard_normal((samples, 3))
        x0[:, RATES] = 0.1 * rng.standard_normal((samples, 3))
        return x0


TASK = Task(
    system=Quadrotor(),
    policy=Policy(sizes=(32, 64, 64, 4), activations=("tanh", "tanh", "identity")),
    presets={"initial": initial(0.1), "trained": trained("quadrotor")},
    # The horizon of its training. The cost does not hold the yaw: at t = 3 its rate comes to the
    # pole of the tangent that the policy observes, the control jumps, and there is no gradient.
    horizons={"trained": 2.0},
)
