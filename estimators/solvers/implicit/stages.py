"""The stage equations of a collocation step, and their transpose (Sandu 2006).

Z = h a f(x + Z),  mu = (df/dx)^T (h b alpha + h a^T mu) + h b dw/dx
"""

import numpy as np

from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau
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
        self.problem, self.t, self.h, self.x = problem, t, h, x
        self.tableau = tableau
        self.slopes = np.full((len(x), len(t), x.shape[1]), np.nan, x.dtype)
        self.costs = np.full((len(x), len(t)), np.nan, x.dtype)

    @property
    def a(self) -> Array:
        """The matrix h a (s, s), which is small enough to be computed when asked for."""
        return (self.h * self.tableau.a).astype(np.finfo(self.x.dtype).dtype)

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        x = self.x[lanes, None]
        slopes, costs = self.problem.flow(*rows(lanes, self.t, x + z))
        self.slopes[lanes], self.costs[lanes] = slopes.reshape(z.shape), costs.reshape(z.shape[:2])
        return self.a @ self.slopes[lanes] - z, largest(np.concatenate([x, z], axis=1))

    def at(self, points: Array) -> Array:
        """Evaluate the collocation polynomial at start + h points (m,), or beyond: (B, m, d)."""
        weights = (self.h * self.tableau.integrals(points)).astype(self.a.dtype)
        return np.asarray(self.x[:, None] + weights @ self.slopes)

    def jacobian(self, lanes: Array, z: Array) -> Array:
        blocks, _ = self.problem.jacobian(*rows(lanes, self.t, self.x[lanes, None] + z))
        return blocks.reshape(*z.shape, -1)

    def inverse(self, blocks: Array) -> Array:
        count, stages, width, _ = blocks.shape
        coupling = np.einsum("ki,ripq->rkpiq", self.a, blocks).reshape(count, stages * width, -1)
        return inverses(np.eye(stages * width, dtype=blocks.dtype) - coupling)


class AdjointStageEquations:
    """The equations of mu, the cotangents (B, s, d) of a step's stages X.

    `factors` are those of theta, (B, s, m) each, of each lane's last call.
    """

    def __init__(self, step: StageEquations, increments: Array, adjoint: Array) -> None:
        self.step, self.increments, self.adjoint = step, increments, adjoint[:, None]
        self.weights = (step.h * step.tableau.b).astype(step.a.dtype)
        self.direct = self.weights[:, None] * self.adjoint
        self.factors: Factors = ()

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        step, shape = self.step, z.shape
        slopes = self.direct[lanes] + step.a.T @ z
        lane, t, x = rows(lanes, step.t, step.x[lanes, None] + self.increments[lanes])
        costs = np.tile(self.weights, len(lanes))
        gx, factors = step.problem.pullback(lane, t, x, slopes.reshape(x.shape), costs)
        if not self.factors:
            whole = len(self.increments), shape[1]
            self.factors = tuple(np.full((*whole, f.shape[1]), np.nan, f.dtype) for f in factors)
        for kept, found in zip(self.factors, factors, strict=True):
            kept[lanes] = found.reshape(*shape[:2], -1)
        gx = gx.reshape(shape)
        return gx - z, largest(np.concatenate([gx, z, self.adjoint[lanes]], axis=1))

    def jacobian(self, lanes: Array, z: Array) -> Array:
        return self.step.jacobian(lanes, self.increments[lanes])

    def inverse(self, blocks: Array) -> Array:
        return self.step.inverse(blocks).transpose(0, 2, 1)


def rows(lanes: Array, t: Array, z: Array) -> tuple[Array, Array, Array]:
    """Return an oracle's arguments lane, time and state (R s, d), for stages z (R, s, d)."""
    return np.repeat(lanes, len(t)), np.tile(t, len(lanes)), z.reshape(-1, z.shape[-1])


def largest(z: Array) -> Array:
    """Return the largest entry of each lane, (R,)."""
    return np.asarray(np.abs(z).max(axis=(1, 2)))


def inverses(matrices: Array) -> Array:
    """Invert each matrix (R, m, m); the result is NaN where one is singular."""
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
        return np.concatenate([inverses(matrix[None]) for matrix in matrices])
