"""Quadrature variables: integrals that a Runge-Kutta solve accumulates beside its state.

    q+ = q + h sum_i b_i g_i

Here g_i is the integrand at stage i. No slope depends on q (Serban and Hindmarsh 2005, who name
them so).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from gradpareto.estimators.solvers.explicit.step_control import Control, squares
from gradpareto.systems import Array, Factors

BLOCK_BYTES = 200_000
"""A wide integral is scaled in blocks of this size, which stay in the cache."""

Contract = Callable[[Sequence[Factors], Array, Array], object]
"""A function that writes weighted sums of S integrands: nodes, weights (K, S, R), out (K, R, size).
"""


def neighbours(rows: Array) -> Array | slice:
    """Return sorted rows as a slice where they are contiguous: indexing then makes a view."""
    first, last = rows[0], rows[-1]
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows


@dataclass(frozen=True)
class QuadratureVariables:
    """The `size` components of an integral; their integrand is kept in factors until contracted.

    If the integral is `controlled`, its error estimate counts for the step control as the state's
    does.
    """

    size: int
    contract: Contract
    controlled: bool = False


NO_QUADRATURE = QuadratureVariables(size=0, contract=lambda nodes, weights, out: None)
"""Nothing is integrated beside the state."""


class Integral:
    """The value (B, size) of the quadrature variables in every lane, and room to work in.

    The integral is the widest array of an adjoint solve; allocating it anew at every step, or going
    over it more often than needed, costs more than the arithmetic.
    """

    def __init__(
        self, quadrature: QuadratureVariables, lanes: int, estimates: int, dtype: DTypeLike
    ) -> None:
        self.contract = quadrature.contract
        self.value = np.zeros((lanes, quadrature.size), dtype)
        self._sums = np.empty((1 + estimates, lanes, quadrature.size), dtype)

    def try_step(self, h: Array, nodes: Sequence[Factors], weights: Array) -> None:
        """Compute the increments over a step h (R,), and their errors, for weights (K, S)."""
        self.contract(nodes, weights[:, :, None] * h, self._sums[:, : len(h)])

    def squares(self, lanes: Array, control: Control) -> Array:
        """Sum the squares of the scaled errors (K - 1, R) of the step that `lanes` tried last.

        The errors themselves are overwritten.
        """
        found, sums = np.empty((len(self._sums) - 1, len(lanes))), self._sums[:, : len(lanes)]
        for rows in self._blocks(len(lanes)):
            old = self.value[neighbours(lanes[rows])]
            found[:, rows] = squares(control, old, old + sums[0, rows], sums[1:, rows])
        return found

    def accept(self, lanes: Array, where: Array) -> None:
        """Advance `lanes`, which are at positions `where` of the step last tried."""
        for rows in self._blocks(len(where)):
            self.value[neighbours(lanes[rows])] += self._sums[0, neighbours(where[rows])]

    def _blocks(self, rows: int) -> list[slice]:
        at_once = max(1, BLOCK_BYTES // max(1, self.value[0].nbytes))
        return [slice(start, start + at_once) for start in range(0, rows, at_once)]
