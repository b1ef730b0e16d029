"""The closed loop linearised in states that are all known before the first cotangent is.

A reverse sweep over S stages pulls one cotangent after another, since each follows from those
before it, but what they are multiplied by does not. With few lanes, calls cost more than rows do,
and the Jacobians of all stages are evaluated in one call.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from gradpareto.systems.policy import Factors
from gradpareto.systems.system import Array


class Linearisation(ABC):
    """Vector-Jacobian products of R rows at each of S stages, one a stage, the last stage first."""

    @abstractmethod
    def pull(self, a: Array) -> Array:
        """Return the cotangent of x (R, state_dim) at the next stage, for a (R, state_dim) of x'.

        Raises IndexError if all stages have been pulled.
        """

    @abstractmethod
    def factors(self) -> list[Factors]:
        """Return the theta-cotangents of the S stages, in their order, after all were pulled.

        Factors are (s, R, m), of as many stages as come together.
        """


class MatrixFree(Linearisation):
    """Products of which each is a call of a problem's `pullback`: no Jacobian is evaluated."""

    def __init__(
        self,
        pullback: Callable[..., tuple[Array, Factors]],
        lane: Array,
        t: Array,
        x: Array,
        c: Array,
    ) -> None:
        self._pullback, self._lane = pullback, lane
        self._left = list(zip(t, x, c, strict=True))
        self._factors: list[Factors] = []

    def pull(self, a: Array) -> Array:
        t, x, c = self._left.pop()
        gx, factors = self._pullback(self._lane, t, x, a, c)
        self._factors.append(tuple(part[None] for part in factors))
        return gx

    def factors(self) -> list[Factors]:
        return self._factors[::-1]


class Assembled(Linearisation):
    """Products with Jacobians, which are evaluated before: each is a small matrix product.

    `by_x` (S, R, state_dim + 1, state_dim) and `by_u` (S, R, state_dim + 1, control_dim) are the
    derivatives of x', and in their last rows those of the running cost, in x through the policy and
    in u. c (S, R) are the cotangents of the running cost. `policy_pullback` returns the factors for
    the cotangents of all controls (S * R, control_dim).
    """

    def __init__(
        self, by_x: Array, by_u: Array, c: Array, policy_pullback: Callable[[Array], Factors]
    ) -> None:
        self._by_u, self._policy_pullback = by_u, policy_pullback
        self._left = list(zip(by_x[:, :, :-1], c[..., None] * by_x[:, :, -1], strict=True))
        # The cotangents of x' and of the running cost, as rows (S, R, 1, state_dim + 1).
        self._pulled = np.concatenate([np.empty_like(by_x[:, :, 0]), c[..., None]], axis=2)[
            :, :, None
        ]

    def pull(self, a: Array) -> Array:
        by_x, by_cost = self._left.pop()
        self._pulled[len(self._left), :, 0, :-1] = a
        return np.asarray((a[:, None] @ by_x)[:, 0] + by_cost)

    def factors(self) -> list[Factors]:
        stages, rows, *_ = self._by_u.shape
        gu = (self._pulled @ self._by_u).reshape(stages * rows, -1)
        return [tuple(part.reshape(stages, rows, -1) for part in self._policy_pullback(gu))]
