"""Quadrature variables: integrals that a Runge-Kutta solve accumulates beside its state.

    q+ = q + h sum_i b_i g_i

Here g_i is the integrand at stage i. No slope depends on q (Serban and Hindmarsh 2005, who name
them so).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.step_control import (
    Control,
    root_mean_square,
    squares,
)
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.row_blocks import (
    add_sums,
    neighbours,
    row_blocks,
    rows_at_once,
)
from gradpareto.systems import Array, Factors, WeightedSums

HELD_NODES = 32
"""An integral that no step control sees is contracted when this number of nodes is held."""

Contract = Callable[[Sequence[Factors], Array], WeightedSums]
"""A function of S nodes and weights (K, S, R): what it returns writes the sums (K, R, size)."""


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


NO_QUADRATURE = QuadratureVariables(size=0, contract=lambda nodes, weights: lambda rows, out: None)
"""Nothing is integrated beside the state."""


class JudgedIntegral:
    """The value (B, size) of quadrature variables whose error is judged at every step.

    The integral is the widest array of an adjoint solve: sums are made, judged and added to it a
    few lanes at a time, which stay in the cache.
    """

    def __init__(self, quadrature: QuadratureVariables, lanes: int, tableau: Tableau) -> None:
        assert tableau.error is not None
        self.contract, self.size = quadrature.contract, quadrature.size
        self._weights = np.vstack([np.pad(tableau.b, (0, 1)), tableau.error])
        self.value = np.zeros((lanes, quadrature.size), tableau.b.dtype)
        self._tried = np.empty_like(self.value)
        at_once = rows_at_once(self.value)
        self._sums = np.empty((len(self._weights), at_once, self.size), self.value.dtype)

    def squares(self, lanes: Array, h: Array, nodes: Sequence[Factors], control: Control) -> Array:
        """Try steps h (R,) of some lanes, from S nodes; sum the squares of the scaled errors.

        The sums are (K - 1, R), of as many error estimates.
        """
        write = self.contract(nodes, self._weights[:, : len(nodes), None] * h)
        found = np.empty((len(self._weights) - 1, len(lanes)))
        for rows in self.blocks(len(lanes)):
            sums = self._sums[:, : rows.stop - rows.start]
            write(rows, sums)
            old = self.value[neighbours(lanes[rows])]
            new = np.add(old, sums[0], out=self._tried[rows])
            found[:, rows] = squares(control, old, new, sums[1:])
        return found

    def accept(self, lanes: Array, where: Array) -> None:
        """Advance `lanes`, which are at positions `where` of the step last tried."""
        if len(where) == len(self.value):
            self.value, self._tried = self._tried, self.value
        else:
            self.value[neighbours(lanes)] = self._tried[neighbours(where)]

    def blocks(self, rows: int) -> list[slice]:
        """Cut rows into as many as are worked on at once."""
        return row_blocks(rows, self._sums.shape[1])


@dataclass(frozen=True)
class JudgedProbe:
    """The probe of some lanes' y (R, m) and of the integral beside it, for a first step.

    The slope and the integrand are given where the lanes are, and `after` returns them after a
    trial step h (R,).
    """

    judged: JudgedIntegral
    control: Control
    lanes: Array
    y: Array
    here: tuple[Array, Factors]
    after: Callable[[Array], tuple[Array, Factors]]

    def sizes(self) -> tuple[Array, Array]:
        slopes, both = self._slopes(*self.here), np.empty((2, len(self.lanes)))
        for rows in self.judged.blocks(len(self.lanes)):
            y, scale = self._scaled(rows)
            both[0, rows] = root_mean_square(y / scale)
            both[1, rows] = root_mean_square(slopes(rows) / scale)
        return both[0], both[1]

    def change(self, h: Array) -> Array:
        here, after = self._slopes(*self.here), self._slopes(*self.after(h))
        found = np.empty(len(self.lanes))
        for rows in self.judged.blocks(len(self.lanes)):
            _, scale = self._scaled(rows)
            found[rows] = root_mean_square((after(rows) - here(rows)) / scale)
        return found

    def _scaled(self, rows: slice) -> tuple[Array, Array]:
        """Return y with the integral behind it, in some rows, and the errors tolerated there."""
        y = np.hstack([self.y[rows], self.judged.value[self.lanes[rows]]])
        return y, self.control.scale(y, y)

    def _slopes(self, slope: Array, node: Factors) -> Callable[[slice], Array]:
        """Return a function that makes the derivative of both in some rows."""
        write = self.judged.contract([node], np.ones((1, 1, 1), slope.dtype))
        width = slope.shape[1]

        def both(rows: slice) -> Array:
            own = slope[rows]
            found = np.empty((1, len(own), width + self.judged.size), slope.dtype)
            found[0, :, :width] = own
            write(rows, found[..., width:])
            return np.asarray(found[0])

        return both


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
            weights = np.concatenate(self._weights)[None].astype(self._value.dtype, copy=False)
            add_sums(self._value, self._lanes, self.contract(self._nodes, weights))
            self._nodes.clear()
            self._weights.clear()
        return self._value
