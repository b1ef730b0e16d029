"""A stiff system: an inverted pendulum on a motor whose current settles in 1e-4 s."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, initial, trained


@dataclass(frozen=True)
class Stiff(System):
    """A driven pendulum; the states are angle from upright (rad), speed (rad/s) and current.

    angle'' = sin(angle) - damping speed + current, current' = rate (voltage - current - emf speed),
    and the control is the voltage. The policy sees angle and speed. The time scales are 1 and
    1 / rate: stability bounds a step of an explicit method by 2 to 6 over `rate`, long after the
    current has settled, and a backward solve of the state grows by exp(rate T). The current starts
    off its slow manifold, as it does when a motor is switched on: a transient as steep as the layer
    that every costate has at T.
    """

    rate: float = 1e4
    damping: float = 0.2
    emf: float = 0.5
    horizon: float = 1.0
    state_dim = 3
    control_dim = 1
    observation_dim = 2

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        (angle, speed, current), voltage = x.T, u[:, 0]
        dx = np.empty_like(x, dtype=np.result_type(x, u))
        dx[:, 0] = speed
        dx[:, 1] = np.sin(angle) - self.damping * speed + current
        dx[:, 2] = self.rate * (voltage - current - self.emf * speed)
        return dx, angle * angle + 0.1 * speed * speed + 0.1 * voltage * voltage

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        angle, speed = x[:, 0], x[:, 1]
        driven = self.rate * a[:, 2]
        gx = np.empty_like(x)
        gx[:, 0] = a[:, 1] * np.cos(angle) + 2 * c * angle
        gx[:, 1] = a[:, 0] - self.damping * a[:, 1] - self.emf * driven + 0.2 * c * speed
        gx[:, 2] = a[:, 1] - driven
        return gx, (driven + 0.2 * c * u[:, 0])[:, None]

    def observe(self, t: Array, x: Array) -> Array:
        return x[:, :2]

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return np.concatenate([o, np.zeros_like(o[:, :1])], axis=1)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(-1, 1, (samples, 3))


TASK = Task(
    system=Stiff(),
    policy=Policy(sizes=(2, 16, 1), activations=("tanh", "identity")),
    presets={"initial": initial(), "trained": trained("stiff")},
)
