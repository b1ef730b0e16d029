"""Integrals that ride along with a Runge-Kutta solve, accumulated with its weights b."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from systems import Array, Factors

Contract = Callable[[Sequence[Factors], Array, Array], object]
"""Write weighted sums of S integrands: nodes, weights (K, S, R), out (K, R, size)."""


@dataclass(frozen=True)
class Quadrature:
    """What is integrated: `size` components, whose integrand is kept in factors until contracted.

    A `controlled` integral is part of the solver's state: its error estimate counts as the state's.
    """

    size: int
    contract: Contract
    controlled: bool = False


class Integral:
    """The value (B, size) of a quadrature in every lane, and room to work in.

    The integral is the widest array of an adjoint solve; allocating it anew at every step costs
    more than the arithmetic.
    """

    def __init__(self, quadrature: Quadrature, lanes: int, estimates: int) -> None:
        self.contract = quadrature.contract
        self.value = np.zeros((lanes, quadrature.size))
        estimates = estimates if quadrature.controlled else 0
        self._sums = np.empty((1 + estimates, lanes, quadrature.size))
        self._work = np.empty((2 if estimates else 0, lanes, quadrature.size))

    def try_step(
        self, rows: Array | slice, h: Array, nodes: Sequence[Factors], weights: Array
    ) -> tuple[Array, Array, Array]:
        """Value before and after a step h (R,), and errors (K - 1, R, size), for weights (K, S).

        The last two are valid until the next call.
        """
        sums = self._sums[:, : len(h)]
        self.contract(nodes, weights[:, :, None] * h, sums)
        before = self.value[rows]
        after = np.add(sums[0], before, out=sums[0])
        return before, after, sums[1:]

    def work(self, lanes: int) -> Array:
        """Scratch space (2, R, size)."""
        return self._work[:, :lanes]

    def accept(self, lanes: Array, where: Array) -> None:
        """Move `lanes`, at positions `where` of the step last tried."""
        if len(where) == len(self.value):
            np.copyto(self.value, self._sums[0])
        else:
            self.value[lanes] = self._sums[0, where]
