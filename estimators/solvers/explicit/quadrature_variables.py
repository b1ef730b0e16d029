"""Integrals that ride along with a Runge-Kutta solve, accumulated with its weights b."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from gradpareto.estimators.solvers.explicit.step_control import Control, squares
from gradpareto.systems import Array, Factors

BLOCK_BYTES = 200_000
"""Errors are scaled for so much of a wide integral at a time, which stays in the cache."""

Contract = Callable[[Sequence[Factors], Array, Array], object]
"""Write weighted sums of S integrands: nodes, weights (K, S, R), out (K, R, size)."""


def neighbours(rows: Array) -> Array | slice:
    """Sorted rows, as a slice where they are neighbours: indexing then makes a view."""
    first, last = rows[0], rows[-1]
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows


@dataclass(frozen=True)
class QuadratureVariables:
    """What is integrated: `size` components, whose integrand is kept in factors until contracted.

    A `controlled` integral is part of the solver's state: its error estimate counts as the state's.
    """

    size: int
    contract: Contract
    controlled: bool = False


NO_QUADRATURE = QuadratureVariables(size=0, contract=lambda nodes, weights, out: None)
"""For a solve beside which nothing is integrated."""


class Integral:
    """The value (B, size) of a quadrature in every lane, and room to work in.

    The integral is the widest array of an adjoint solve; allocating it anew at every step, or
    going over it more often than needed, costs more than the arithmetic.
    """

    def __init__(
        self, quadrature: QuadratureVariables, lanes: int, estimates: int, dtype: DTypeLike
    ) -> None:
        self.contract = quadrature.contract
        self.value = np.zeros((lanes, quadrature.size), dtype)
        self._sums = np.empty((1 + estimates, lanes, quadrature.size), dtype)

    def try_step(self, h: Array, nodes: Sequence[Factors], weights: Array) -> None:
        """Increments over a step h (R,) and their errors, for weights (K, S) of S nodes."""
        self.contract(nodes, weights[:, :, None] * h, self._sums[:, : len(h)])

    def squares(self, lanes: Array, control: Control) -> Array:
        """Of the scaled errors (K - 1, R) of the step last tried, which was that of `lanes`."""
        found, sums = np.empty((len(self._sums) - 1, len(lanes))), self._sums[:, : len(lanes)]
        for rows in self._blocks(len(lanes)):
            old = self.value[neighbours(lanes[rows])]
            found[:, rows] = squares(control, old, old + sums[0, rows], sums[1:, rows])
        return found

    def accept(self, lanes: Array, where: Array) -> None:
        """Move `lanes`, at positions `where` of the step last tried."""
        for rows in self._blocks(len(where)):
            self.value[neighbours(lanes[rows])] += self._sums[0, neighbours(where[rows])]

    def _blocks(self, rows: int) -> list[slice]:
        at_once = max(1, BLOCK_BYTES // max(1, self.value[0].nbytes))
        return [slice(start, start + at_once) for start in range(0, rows, at_once)]
