"""A diffusive system of any size: a rod heated at both ends."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.policy import Policy
from gradpareto.systems.system import Array, System
from gradpareto.systems.task import Task, initial, trained

_SENSORS = np.array([0.2, 0.4, 0.6, 0.8])
_MODES = np.arange(1, 5)


@dataclass(frozen=True)
class Heat(System):
    """A rod; the states are its temperatures at `points` interior points.

    x_t = diffusivity x_zz on [0, 1], and the controls are the temperatures of the two ends. Space
    is discretised by central differences (the method of lines), so that the fastest rate is
    4 diffusivity (points + 1)^2: 218 at 32 points. The policy sees four sensors, interpolated, so
    that neither the policy nor the initial profiles depend on the mesh. The cost is the distance to
    sin(pi z), squared and integrated, plus 0.01 |u|^2.

    Raises ValueError on fewer than 8 or more than 512 points.
    """

    points: int = 32
    diffusivity: float = 0.05
    horizon: float = 1.0
    control_dim = 2
    observation_dim = len(_SENSORS)

    def __post_init__(self) -> None:
        if not 8 <= self.points <= 512:
            raise ValueError(f"a rod needs 8 to 512 points, not {self.points}")

    @property
    def state_dim(self) -> int:  # type: ignore[override]
        return self.points

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        away = np.subtract(x, np.sin(np.pi * self._places()), dtype=x.dtype)
        cost = self._spacing * (away * away).sum(axis=1) + 0.01 * (u * u).sum(axis=1)
        dx = -2 * x.astype(np.result_type(x, u))
        dx[:, 1:] += x[:, :-1]
        dx[:, :-1] += x[:, 1:]
        dx[:, [0, -1]] += u
        return self._conductance * dx, cost

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        away = np.subtract(x, np.sin(np.pi * self._places()), dtype=x.dtype)
        gx = -2 * a
        gx[:, 1:] += a[:, :-1]
        gx[:, :-1] += a[:, 1:]
        gx *= self._conductance
        gx += (2 * self._spacing * c)[:, None] * away
        return gx, self._conductance * a[:, [0, -1]] + 0.02 * c[:, None] * u

    def observe(self, t: Array, x: Array) -> Array:
        left, weight = self._sensors(x)
        return np.asarray((1 - weight) * x[:, left] + weight * x[:, left + 1])

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        left, weight = self._sensors(o)
        gx = np.zeros_like(x, dtype=o.dtype)
        gx[:, left] += (1 - weight) * o
        gx[:, left + 1] += weight * o
        return gx

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        """Draw sums of the first four sines, which are the same functions on every mesh."""
        amplitudes = rng.standard_normal((samples, len(_MODES))) / _MODES
        return np.asarray(amplitudes @ np.sin(np.pi * _MODES[:, None] * self._places()))

    @property
    def _spacing(self) -> float:
        return 1 / (self.points + 1)

    @property
    def _conductance(self) -> float:
        return self.diffusivity / self._spacing**2

    def _places(self) -> Array:
        return self._spacing * np.arange(1, self.points + 1)

    def _sensors(self, like: Array) -> tuple[Array, Array]:
        """Return the index of the point at or left of each sensor, and the next one's weight."""
        position = _SENSORS / self._spacing - 1
        left = position.astype(int)
        return left, (position - left).astype(like.dtype)


TASK = Task(
    system=Heat(),
    policy=Policy(sizes=(len(_SENSORS), 16, 2), activations=("tanh", "identity")),
    presets={"initial": initial(), "trained": trained("heat")},
)
