"""Optimisers: pure functions from the gradients and moments of N trials to their changes."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from gradpareto.systems import Array


class Optimiser(Protocol):
    """An optimiser that keeps `count` moments for each parameter."""

    @property
    def count(self) -> int: ...

    def change(self, gradient: Array, moments: Array, updates: Array) -> tuple[Array, Array]:
        """Return the change of theta (N, P) and the new moments (count, N, P).

        `gradient` is (N, P); `updates` (N,) is the number of updates made before this one.
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
    """Adam (Kingma and Ba 2015, Algorithm 1).

    m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, and after the k-th update
    theta <- theta - rate (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + epsilon), where b1 is `decay`
    and b2 `decay_squares`.
    """

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
