"""The collocation equations of many windows side by side, and their transpose.

    Z_n = h_n A f(x_n + Z_n),  x_n+1 = x_n + h_n b f(x_n + Z_n)
    mu_n = (df/dx)^T (h_n b alpha_n+1 + h_n A^T mu_n) + h_n b dw/dx,  alpha_n = alpha_n+1 + 1^T mu_n

Linearised along a guess of the whole trajectory they need no oracle: Picard's iteration solves each
window, and transition matrices carry the correction of its start on to its end (Lim et al. 2023;
Iacob et al. 2025).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradpareto.estimators.solvers.implicit.fixed_states import FixedStates, fixed_states
from gradpareto.estimators.solvers.implicit.simplified_newton import Frozen, largest
from gradpareto.estimators.solvers.implicit.stages import merged
from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau
from gradpareto.systems import Array, Factors, Problem

MOST_SWEEPS = 40
"""Picard sweeps over a window. Each gains a factor of about 10 / (h |df/dx|) at 6 nodes."""
SETTLED = 16.0
"""A sweep that changes a lane by fewer last places than this is its last."""


@dataclass(frozen=True)
class Windows:
    """W windows of length h (W,) in a row, with nodes at t (W, s), of the lanes `lane` (B,).

    Coefficients are in the precision `real`, times in float64.
    """

    problem: Problem
    tableau: CollocationTableau
    lane: Array
    t: Array
    h: Array
    real: np.dtype

    @cached_property
    def a(self) -> Array:
        """The coefficients h_n A (W, s, s)."""
        return (self.h[:, None, None] * self.tableau.a).astype(self.real)

    @cached_property
    def b(self) -> Array:
        """The weights h_n b (W, s)."""
        return (self.h[:, None] * self.tableau.b).astype(self.real)

    @cached_property
    def ends(self) -> Array:
        """The weights (s,) for which x_n+1 = x_n + sum_i ends_i Z_n,i."""
        return self.tableau.ends.astype(self.real)

    def rows(self, lanes: Array, x: Array) -> tuple[Array, Array, Array]:
        """Return an oracle's arguments lane, time and state, for the states x (R, W, s, d)."""
        lane = np.repeat(self.lane[lanes], self.t.size)
        return lane, np.tile(self.t.ravel(), len(lanes)), x.reshape(-1, x.shape[-1])

    def edges(self, x: Array, z: Array) -> Array:
        """Return the states x_n (R, W + 1, d) between windows, from x_0 (R, d) and Z."""
        jumps = np.einsum("i,rnid->rnd", self.ends, z)
        return np.cumsum(np.concatenate([x[:, None], jumps], axis=1), axis=1)


class WindowEquations:
    """The equations of the increments Z of all windows, (B, W s, d), from initial states x (B, d).

    Its `inverse` is the derivative (B, W s, d, d) of the stages by their window's start, which
    together with df/dx makes up the inverse. All nodes of all lanes that still iterate are one
    call. `slopes` (B, W, s, d) and `costs` (B, W, s) are those of each lane's last call.
    """

    def __init__(self, windows: Windows, x: Array) -> None:
        self.windows, self.x, self.shape = windows, x, (*windows.t.shape, x.shape[1])
        self.slopes = np.full((len(x), *self.shape), np.nan, x.dtype)
        self.costs = np.full((len(x), *windows.t.shape), np.nan, x.dtype)

    def split(self, z: Array) -> Array:
        """Return an array (R, W s, d, ...) as (R, W, s, d, ...)."""
        return z.reshape(len(z), *self.shape, *z.shape[3:])

    def states(self, lanes: Array, z: Array) -> Array:
        """Return the states (R, W, s, d) of all nodes."""
        z = self.split(z)
        return self.windows.edges(self.x[lanes], z)[:, :-1, None] + z

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        x = self.states(lanes, z)
        slopes, costs = self.windows.problem.flow(*self.windows.rows(lanes, x))
        slopes = slopes.reshape(x.shape)
        self.slopes[lanes], self.costs[lanes] = slopes, costs.reshape(x.shape[:3])
        missed = (self.windows.a @ slopes).reshape(z.shape) - z
        return missed, largest(x.reshape(z.shape))

    def jacobian(self, lanes: Array, z: Array) -> Array:
        rows = self.windows.rows(lanes, self.states(lanes, z))
        return self.windows.problem.jacobian(*rows)[0].reshape(*z.shape, -1)

    def inverse(self, blocks: Array) -> Array:
        """Solve U = 1 + h A J U."""
        j, one = self.split(blocks), np.eye(blocks.shape[-1], dtype=blocks.dtype)

        def sweep(u: Array) -> Array:
            product = (j @ u).reshape(*j.shape[:3], -1)
            return np.asarray(one + (self.windows.a @ product).reshape(j.shape))

        return picard(sweep, np.broadcast_to(one, j.shape)).reshape(blocks.shape)

    def correction(self, frozen: Frozen, residual: Array) -> Array:
        """Solve dZ_n = h A J (dx_n + dZ_n) + residual_n, where dx_n+1 = dx_n + sum_i ends_i dZ_n,i.

        With Y = residual + h A J Y, the solution is dx_n + dZ_n = U dx_n + Y.
        """
        j, u, missed = (self.split(part) for part in (frozen.blocks, frozen.inverse, residual))
        ends, one = self.windows.ends, np.eye(j.shape[-1], dtype=j.dtype)
        y = picard(lambda y: missed + self.windows.a @ times(j, y), missed)
        transition = np.einsum("i,rnipq->rnpq", ends, u - one) + one
        start = np.zeros((len(y), self.shape[0] + 1, self.shape[-1]), y.dtype)
        added = np.einsum("i,rnid->rnd", ends, y)
        for n in range(self.shape[0]):
            start[:, n + 1] = times(transition[:, n], start[:, n]) + added[:, n]
        return (times(u - one, start[:, :-1, None]) + y).reshape(residual.shape)


class AdjointWindowEquations:
    """The equations of mu, the cotangents (B, W s, d) of the stages; `adjoint` (B, d) is x(T)'s.

    `factors` are those of theta, (B, W s, m) each, of each lane's last call.
    """

    def __init__(self, forward: WindowEquations, increments: Array, adjoint: Array) -> None:
        self.forward, self.windows = forward, forward.windows
        self.increments, self.adjoint = increments, adjoint
        self.factors: Factors = ()

    @cached_property
    def _states(self) -> FixedStates:
        windows, lanes = self.windows, np.arange(len(self.adjoint))
        rows = windows.rows(lanes, self.forward.states(lanes, self.increments))
        return fixed_states(windows.problem, windows.t.size, rows)

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        windows, mu = self.windows, self.forward.split(z)
        added = np.concatenate([mu.sum(axis=2)[:, 1:], self.adjoint[lanes, None]], axis=1)
        alpha = np.cumsum(added[:, ::-1], axis=1)[:, ::-1]
        slopes = windows.b[..., None] * alpha[:, :, None] + windows.a.swapaxes(1, 2) @ mu
        costs = np.tile(windows.b.ravel(), len(lanes))
        gx, found = self._states.take(lanes).pullback(slopes.reshape(z.shape), costs)
        self.factors = merged(self.factors, lanes, len(self.adjoint), found)
        return gx - z, np.maximum(largest(gx, z), largest(alpha))

    def jacobian(self, lanes: Array, z: Array) -> Array:
        return self.forward.jacobian(lanes, self.increments[lanes])

    def inverse(self, blocks: Array) -> Array:
        return self.forward.inverse(blocks)

    def correction(self, frozen: Frozen, residual: Array) -> Array:
        """Solve dmu_n = J^T (h b dalpha_n+1 + h A^T dmu_n) + residual_n.

        The sum of dmu_n is U^T residual_n + (h b J U)^T dalpha_n+1, which is added to dalpha_n+1.
        """
        split, windows = self.forward.split, self.windows
        j, u, missed = split(frozen.blocks), split(frozen.inverse), split(residual)
        adjoint_j, a = j.swapaxes(-1, -2), windows.a.swapaxes(1, 2)
        one = np.eye(j.shape[-1], dtype=j.dtype)
        transition = one + np.einsum("ni,rnipq->rnqp", windows.b, j @ u)
        added = times(u.swapaxes(-1, -2), missed).sum(axis=2)
        alpha = np.zeros((len(j), self.forward.shape[0] + 1, j.shape[-1]), missed.dtype)
        for n in reversed(range(self.forward.shape[0])):
            alpha[:, n] = times(transition[:, n], alpha[:, n + 1]) + added[:, n]
        missed = missed + times(adjoint_j, windows.b[..., None] * alpha[:, 1:, None])
        mu = picard(lambda mu: missed + times(adjoint_j, a @ mu), missed)
        return mu.reshape(residual.shape)


def picard(sweep: Callable[[Array], Array], z: Array) -> Array:
    """Sweep from z (R, ...) until rounding alone changes it in every lane, or for MOST_SWEEPS.

    Further sweeps, for the sake of another lane, change a lane by rounding only.
    """
    within = tuple(range(1, z.ndim))
    for _ in range(MOST_SWEEPS):
        z, before = sweep(z), z
        moved, size = (np.abs(part).max(axis=within) for part in (z - before, z))
        if not (moved > SETTLED * np.finfo(z.dtype).eps * size).any():
            break
    return z


def times(matrices: Array, vectors: Array) -> Array:
    """Multiply matrices (..., d, d) by vectors (..., d)."""
    return np.asarray(matrices @ vectors[..., None])[..., 0]
