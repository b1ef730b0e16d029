"""Quadrature variables: integrals that a Runge-Kutta solve accumulates beside its state.

    q+ = q + h sum_i b_i g_i

Here g_i is the integrand at stage i. No slope depends on q (Serban and Hindmarsh 2005, who name
them so).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.step_control import Control, squares
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array, Factors

BLOCK_BYTES = 200_000
"""A wide integral is scaled in blocks of this size, which stay in the cache."""

HELD_NODES = 32
"""An integral that no step control sees is contracted when this number of nodes is held."""

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
    does. With a `sketch`, quadrature variables of the same integrand, the error of these counts in
    its place.
    """

    size: int
    contract: Contract
    controlled: bool = False
    sketch: "QuadratureVariables | None" = None

    @property
    def judged(self) -> "QuadratureVariables | None":
        """The quadrature variables whose error the step control sees."""
        return self if self.controlled else self.sketch


NO_QUADRATURE = QuadratureVariables(size=0, contract=lambda nodes, weights, out: None)
"""Nothing is integrated beside the state."""


class JudgedIntegral:
    """The value (B, size) of quadrature variables whose error is judged at every step.

    The integral is the widest array of an adjoint solve; allocating it anew at every step, or going
    over it more often than needed, costs more than the arithmetic.
    """

    def __init__(self, quadrature: QuadratureVariables, lanes: int, tableau: Tableau) -> None:
        assert tableau.error is not None
        self.contract, self.size = quadrature.contract, quadrature.size
        self._weights = np.vstack([np.pad(tableau.b, (0, 1)), tableau.error])
        self.value = np.zeros((lanes, quadrature.size), tableau.b.dtype)
        self._sums = np.empty((len(self._weights), *self.value.shape), tableau.b.dtype)

    def try_step(self, h: Array, nodes: Sequence[Factors]) -> None:
        """Compute the increments over a step h (R,), and their errors, from S nodes."""
        weights = self._weights[:, : len(nodes), None] * h
        self.contract(nodes, weights, self._sums[:, : len(h)])

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


class HeldIntegral:
    """The value (B, size) of quadrature variables of which no error is judged.

    The integrand at the nodes of accepted steps is held while the same lanes step, and then
    contracted: one product over many nodes costs less than many over few.
    """

    def __init__(self, quadrature: QuadratureVariables, lanes: int, b: Array) -> None:
        self.contract = quadrature.contract
        self._value = np.zeros((lanes, quadrature.size), b.dtype)
        self._used, self._b = np.flatnonzero(b).tolist(), b[b != 0][:, None]
        self._lanes: Array = np.arange(0)
        self._nodes: list[Factors] = []
        self._weights: list[Array] = []

    def add(self, lanes: Array, h: Array, nodes: Sequence[Factors], error: Array) -> None:
        """Add the steps h (R,) that `lanes` tried, where the scaled error (R,) accepts them."""
        if not self._value.shape[1]:
            return
        if not np.isfinite(error).all():
            # A row that overflowed would spoil the sum even with a weight of 0.
            rows = np.isfinite(error).nonzero()[0]
            lanes, h, error = lanes[rows], h[rows], error[rows]
            nodes = [tuple(part[rows] for part in node) for node in nodes]
        if lanes is not self._lanes:
            self.value()
            self._lanes = lanes
        self._nodes += [nodes[k] for k in self._used]
        self._weights.append(self._b * np.where(error <= 1, h, 0))
        if len(self._nodes) >= HELD_NODES:
            self.value()

    def value(self) -> Array:
        """Contract what is held, and return the integral so far."""
        if self._nodes:
            sums = np.empty((1, len(self._lanes), self._value.shape[1]), self._value.dtype)
            weights = np.concatenate(self._weights)[None].astype(sums.dtype, copy=False)
            self.contract(self._nodes, weights, sums)
            self._value[neighbours(self._lanes)] += sums[0]
            self._nodes.clear()
            self._weights.clear()
        return self._value
