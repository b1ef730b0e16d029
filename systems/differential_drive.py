"""Differential drive: a two-wheeled robot driven to the origin (LaValle 2006, with torques)."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, initial, trained


@dataclass(frozen=True)
class DifferentialDrive(System):
    """A robot on two wheels; the states are x, y, heading (rad) and wheel speeds (rad/s).

    The controls are the rates of the left and right wheel's speed. With r the wheels' radius and b
    the wheelbase, speed = r (left + right) / 2, x' = speed cos(heading), y' = speed sin(heading),
    heading' = r (right - left) / b, and w = x^2 + y^2 + 0.1 (left^2 + right^2 + |u|^2).

    The policy observes the state and the heading's sine and cosine. The heading is raw; the paper's
    code wraps it to [0, 2 pi), a jump that no adjoint sees.
    """

    wheelbase: float = 1.0
    wheel_radius: float = 0.5
    horizon: float = 5.0
    state_dim = 5
    control_dim = 2
    observation_dim = 7

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        heading, left, right = x[:, 2], x[:, 3], x[:, 4]
        speed = 0.5 * self.wheel_radius * (left + right)
        dx = np.empty_like(x, dtype=np.result_type(x, u))
        dx[:, 0] = speed * np.cos(heading)
        dx[:, 1] = speed * np.sin(heading)
        dx[:, 2] = self.wheel_radius / self.wheelbase * (right - left)
        dx[:, 3:] = u
        place, effort = x[:, :2], (x[:, 3:] * x[:, 3:] + u * u).sum(axis=1)
        return dx, (place * place).sum(axis=1) + 0.1 * effort

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        heading, left, right = x[:, 2], x[:, 3], x[:, 4]
        sin, cos = np.sin(heading), np.cos(heading)
        rolling = 0.5 * self.wheel_radius * (a[:, 0] * cos + a[:, 1] * sin)
        turning = self.wheel_radius / self.wheelbase * a[:, 2]
        speed = 0.5 * self.wheel_radius * (left + right)
        gx = np.empty_like(x)
        gx[:, :2] = 2 * c[:, None] * x[:, :2]
        gx[:, 2] = speed * (a[:, 1] * cos - a[:, 0] * sin)
        gx[:, 3] = rolling - turning + 0.2 * c * left
        gx[:, 4] = rolling + turning + 0.2 * c * right
        return gx, a[:, 3:] + 0.2 * c[:, None] * u

    def observe(self, t: Array, x: Array) -> Array:
        heading = x[:, 2:3]
        return np.concatenate([x, np.sin(heading), np.cos(heading)], axis=1)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        gx = o[:, :5].copy()
        gx[:, 2] += o[:, 5] * np.cos(x[:, 2]) - o[:, 6] * np.sin(x[:, 2])
        return gx

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        x0 = np.zeros((samples, 5))
        x0[:, :2] = rng.uniform(-5, 5, (samples, 2))
        x0[:, 2] = rng.uniform(0, 2 * np.pi, samples)
        return x0


TASK = Task(
    system=DifferentialDrive(),
    policy=Policy(sizes=(7, 32, 32, 2), activations=("tanh", "tanh", "identity")),
    presets={"initial": initial(0.1), "trained": trained("differential_drive")},
)
