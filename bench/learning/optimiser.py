"""Optimisers of N trials at once: pure functions from gradients and moments to changes."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from gradpareto.systems import Array


class Optimiser(Protocol):
    """Keeps `count` moments for each parameter."""

    @property
    def count(self) -> int: ...

    def change(self, gradient: Array, moments: Array, updates: Array) -> tuple[Array, Array]:
        """Change of theta (N, P) and the new moments (count, N, P).

        `gradient` is (N, P), `updates` (N,) how many there were before this one.
        """


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with momentum (Polyak 1964): v <- decay v + rate g, theta <- theta - v."""

    rate: float
    decay: float = 0.9
    count: ClassVar[int] = 1

    def change(self, gradient: Array, moments: Array, updates: Array) -> tuple[Array, Array]:
        velocity = self.decay * moments[0] + self.rate * gradient
        return -velocity, velocity[None]


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba (2015), Algorithm 1."""

    rate: float
    decay: float = 0.9
    decay_squares: float = 0.999
    epsilon: float = 1e-8
    count: ClassVar[int] = 2

    def change(self, gradient: Array, moments: Array, updates: Array) -> tuple[Array, Array]:
        mean = self.decay * moments[0] + (1 - self.decay) * gradient
        squares = self.decay_squares * moments[1] + (1 - self.decay_squares) * gradient**2
        times = updates[:, None] + 1
        unbiased = mean / (1 - self.decay**times)
        spread = np.sqrt(squares / (1 - self.decay_squares**times))
        return -self.rate * unbiased / (spread + self.epsilon), np.stack([mean, squares])
