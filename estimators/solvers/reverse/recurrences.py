"""The discrete adjoint of one explicit Runge-Kutta step, in two forms that are equal to rounding.

    mu_i = (df/dX_i)^T h (b_i lambda+ + sum_{j > i} a_ji mu_j) + h b_i dw/dX_i
    lambda = lambda+ + sum_i mu_i

This is the transpose of the stages (Sandu 2006): lambda is the cotangent of x, mu_i that of X_i.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.stages import combine, increment
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array, Linearisation


class Recurrence(ABC):
    """A form of the discrete adjoint of a step of R lanes, of lengths h (R,)."""

    @abstractmethod
    def costs(self, tableau: Tableau, h: Array) -> Array:
        """Return the cotangents of the running cost at the stages, (s, R)."""

    @abstractmethod
    def weights(self, tableau: Tableau, h: Array) -> Array:
        """Return the weights of the stages' theta-cotangents, (s, R)."""

    @abstractmethod
    def pull(self, tableau: Tableau, h: Array, pulled: Array, products: Linearisation) -> Array:
        """Return the part of the cotangent of the step's initial state (R, d) that its stages add.

        `pulled` (R, d) is the cotangent of x+, and `products` are linearised at the stages.
        """


@dataclass(frozen=True)
class Transposed(Recurrence):
    """The transpose of the stages; the running cost over the step counts `price` times."""

    price: float = 1.0

    def costs(self, tableau: Tableau, h: Array) -> Array:
        return self.price * tableau.b[:, None] * h

    def weights(self, tableau: Tableau, h: Array) -> Array:
        return np.ones((tableau.stages, len(h)), h.dtype)

    def pull(self, tableau: Tableau, h: Array, pulled: Array, products: Linearisation) -> Array:
        weights, column = tableau.stages_and_end, h[:, None]
        cotangents = np.empty((len(weights), *pulled.shape), pulled.dtype)  # of stages, and of x+
        cotangents[-1] = pulled
        for i in reversed(range(tableau.stages)):
            slope = combine(weights[i + 1 :, i], cotangents[i + 1 :])
            slope *= column
            cotangents[i] = products.pull(slope)
        return np.asarray(np.add.reduce(cotangents[:-1]))


class Partner(Recurrence):
    """The partner method, which makes a symplectic pair with the forward one.

    Stage i of the adjoint is its value at the end of the step and sum_j>i (b_j a_ji / b_i) times
    its slopes (Sanz-Serna 2016); where b_i = 0, any other number may divide in its place, if it
    multiplies again what is pulled back (Matsubara et al. 2021).
    """

    def costs(self, tableau: Tableau, h: Array) -> Array:
        return np.repeat((tableau.b / self._divisor(tableau))[:, None], len(h), axis=1)

    def weights(self, tableau: Tableau, h: Array) -> Array:
        return self._divisor(tableau)[:, None] * h

    def pull(self, tableau: Tableau, h: Array, pulled: Array, products: Linearisation) -> Array:
        a, b, divisor = tableau.a, tableau.b, self._divisor(tableau)
        slopes = np.empty((len(b), *pulled.shape), pulled.dtype)  # of the adjoint, time reversed
        for i in reversed(range(len(b))):
            stage = (b[i] / divisor[i]) * pulled
            if i + 1 < len(b):
                weights = divisor[i + 1 :] * a[i + 1 :, i] / divisor[i]
                stage = stage + increment(h[:, None], weights, slopes[i + 1 :])
            slopes[i] = products.pull(stage)
        return increment(h[:, None], divisor, slopes)

    def _divisor(self, tableau: Tableau) -> Array:
        return np.where(tableau.b != 0, tableau.b, 1).astype(tableau.b.dtype)
