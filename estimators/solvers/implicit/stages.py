"""The stage equations of a collocation step, and their transpose (Sandu 2006).

Z = h a f(x + Z),  mu = (df/dx)^T (h b alpha + h a^T mu) + h b dw/dx
"""

from functools import cached_property

import numpy as np

from gradpareto.estimators.solvers.implicit.fixed_states import FixedStates, fixed_states
from gradpareto.estimators.solvers.implicit.simplified_newton import Frozen, largest
from gradpareto.estimators.solvers.implicit.tableaus import FEW, CollocationTableau
from gradpareto.systems import Array, Factors, Problem


class StageEquations:
    """The equations Z = h a f(x + Z) for x (B, d); all lanes share the times t (s,) and the step h.

    The increments Z = X - x are rounded by less than the stages X (Hairer and Wanner 1996, IV.8).
    All stages of all lanes that still iterate are one call. `slopes` (B, s, d) and `costs` (B, s)
    are those of each lane's last call.
    """

    def __init__(
        self, problem: Problem, tableau: CollocationTableau, t: Array, h: float, x: Array
    ) -> None:
        self.problem, self.tableau, self.t, self.h, self.x = problem, tableau, t, h, x
        precision = np.finfo(x.dtype).dtype
        self.weights = (h * tableau.b).astype(precision)
        self.slopes: Array = np.full((len(x), len(t), x.shape[1]), np.nan, x.dtype)
        self.costs: Array = np.full((len(x), len(t)), np.nan, x.dtype)
        self._kept_a = self._scaled_a() if len(t) <= FEW else None

    @property
    def a(self) -> Array:
        """The matrix h a (s, s), which of many nodes is large, and computed when asked for."""
        return self._scaled_a() if self._kept_a is None else self._kept_a

    def _scaled_a(self) -> Array:
        return (self.h * self.tableau.a).astype(self.weights.dtype)

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        slopes, costs = self.problem.flow(*self.rows(lanes, z))
        slopes, costs = slopes.reshape(z.shape), costs.reshape(z.shape[:2])
        if len(lanes) == len(self.x):
            self.slopes, self.costs, size = slopes, costs, self._size
        else:
            self.slopes[lanes], self.costs[lanes], size = slopes, costs, self._size[lanes]
        return self.a @ slopes - z, np.maximum(size, largest(z))

    @cached_property
    def _size(self) -> Array:
        return np.asarray(np.abs(self.x).max(axis=1))

    def at(self, points: Array) -> Array:
        """Evaluate the collocation polynomial at start + h points (m,), or beyond: (B, m, d)."""
        weights = (self.h * self.tableau.integrals_at(points)).astype(self.a.dtype)
        return np.asarray(self.x[:, None] + weights @ self.slopes)

    def jacobian(self, lanes: Array, z: Array) -> Array:
        blocks, _ = self.problem.jacobian(*self.rows(lanes, z))
        return blocks.reshape(*z.shape, -1)

    def inverse(self, blocks: Array) -> Array:
        count, stages, width, _ = blocks.shape
        coupling = np.einsum("ki,ripq->rkpiq", self.a, blocks).reshape(count, stages * width, -1)
        return inverses(np.eye(stages * width, dtype=blocks.dtype) - coupling)

    def correction(self, frozen: Frozen, residual: Array) -> Array:
        return product(frozen.inverse, residual)

    def rows(self, lanes: Array, z: Array) -> tuple[Array, Array, Array]:
        """Return an oracle's arguments lane, time and state (R s, d), for z (R, s, d)."""
        if len(lanes) == len(self.x):
            return *self._all_rows, (self.x[:, None] + z).reshape(-1, z.shape[-1])
        x = self.x[lanes, None] + z
        return (
            np.repeat(lanes, len(self.t)),
            for_each(lanes, self.t),
            x.reshape(-1, z.shape[-1]),
        )

    @cached_property
    def _all_rows(self) -> tuple[Array, Array]:
        lanes = np.arange(len(self.x))
        return np.repeat(lanes, len(self.t)), for_each(lanes, self.t)


class AdjointStageEquations:
    """The equations of mu, the cotangents (B, s, d) of a step's stages X.

    `factors` are those of theta, (B, s, m) each, of each lane's last call.
    """

    def __init__(self, step: StageEquations, increments: Array, adjoint: Array) -> None:
        self.step, self.increments, self.adjoint = step, increments, adjoint[:, None]
        self.direct = step.weights[:, None] * self.adjoint
        self.factors: Factors = ()

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        step, own = self.step, slice(None) if len(lanes) == len(self.direct) else lanes
        slopes = self.direct[own] + step.a.T @ z
        costs = self._cost_cotangents[: len(lanes) * len(step.t)]
        gx, found = self._states.take(lanes).pullback(slopes, costs)
        self.factors = merged(self.factors, lanes, len(self.direct), found)
        return gx - z, np.maximum(largest(gx, z), self._size[own])

    @cached_property
    def _states(self) -> FixedStates:
        step, lanes = self.step, np.arange(len(self.direct))
        return fixed_states(step.problem, len(step.t), step.rows(lanes, self.increments))

    @cached_property
    def _cost_cotangents(self) -> Array:
        """Those (B s,) of the running cost, which are equal in all lanes."""
        return for_each(self.adjoint, self.step.weights)

    @cached_property
    def _size(self) -> Array:
        return largest(self.adjoint)

    def jacobian(self, lanes: Array, z: Array) -> Array:
        return self.step.jacobian(lanes, self.increments[lanes])

    def inverse(self, blocks: Array) -> Array:
        return self.step.inverse(blocks).transpose(0, 2, 1)

    def correction(self, frozen: Frozen, residual: Array) -> Array:
        return product(frozen.inverse, residual)


def product(matrices: Array, z: Array) -> Array:
    """Multiply matrices (R, s d, s d) by z (R, s, d)."""
    return np.asarray(matrices @ z.reshape(len(z), -1, 1)).reshape(z.shape)


def merged(kept: Factors, lanes: Array, count: int, found: Factors) -> Factors:
    """Return the kept factors (B, s, m), with those found for some of the `count` = B lanes."""
    if len(lanes) == count:
        return found
    kept = kept or tuple(np.full((count, *part.shape[1:]), np.nan, part.dtype) for part in found)
    for whole, part in zip(kept, found, strict=True):
        whole[lanes] = part
    return kept


def for_each(lanes: Array, values: Array) -> Array:
    """Repeat the values (s,) of a step's stages for each of the lanes (R,): (R s,)."""
    return values[None].repeat(len(lanes), axis=0).reshape(-1)


def inverses(matrices: Array) -> Array:
    """Invert each matrix (R, m, m); the result is NaN where one is singular."""
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
        return np.concatenate([inverses(matrix[None]) for matrix in matrices])
