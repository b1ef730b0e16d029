"""Simplified Newton's method for the stages of an implicit step, and for their transpose.

    z <- z + (1 - dg/dz)^-1 (g(z) - z)

The matrix dg/dz is frozen until convergence is slow (Hairer and Wanner 1996, IV.8).
"""

from typing import Protocol

import numpy as np

from gradpareto.systems import Array

MOST_ITERATIONS = 50
ROUNDINGS = 64.0
"""A correction of this number of last places makes the solution count as exact."""
STALLED = 100.0
"""Corrections up to this multiple of the limit that no longer shrink are due to rounding."""


class Stages(Protocol):
    """The equations z = g(z) in every lane, for z (B, s, d)."""

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        """Return g(z) - z (R, s, d), and the size (R,) of what it was summed from."""

    def jacobian(self, lanes: Array, z: Array) -> Array:
        """Return df/dx (R, s, d, d) at the stages."""

    def inverse(self, blocks: Array) -> Array:
        """Return the inverse of 1 - dg/dz (R, s d, s d), from df/dx (R, s, d, d)."""


def simplified_newton(
    stages: Stages, z: Array, blocks: Array, patience: int, tolerance: float | None = None
) -> tuple[Array, Array, Array]:
    """Solve from the guess z (B, s, d) and with frozen df/dx `blocks` (B, s, d, d).

    Return the solution, the blocks last used, and which lanes failed (B,). Each lane ends, and
    renews its blocks, by itself: when at the present rate it would go on for more than `patience`
    further iterations (a renewal costs d of them). The relative tolerance defaults to that of
    rounding.
    """
    z = z.copy()
    tolerance = ROUNDINGS * float(np.finfo(z.dtype).eps) if tolerance is None else tolerance
    inverse, shared = stages.inverse(blocks), blocks
    failed = ~np.isfinite(np.concatenate([inverse.sum(axis=2), z.sum(axis=2)], axis=1)).all(axis=1)
    before = np.full(len(z), np.nan)
    active = np.flatnonzero(~failed)
    for _ in range(MOST_ITERATIONS):
        if not len(active):
            return z, blocks, failed
        residual, scale = stages.residual(active, z[active])
        step = _apply(inverse[active], residual)
        size, limit = _norm(step), tolerance * scale
        slow = _slow(size, before[active], limit, patience)
        if slow.any():
            rows = active[slow]
            blocks = blocks.copy() if blocks is shared else blocks
            blocks[rows] = stages.jacobian(rows, z[rows])
            inverse[rows] = stages.inverse(blocks[rows])
            step[slow] = _apply(inverse[rows], residual[slow])
            size[slow] = _norm(step[slow])
        z[active] += step
        stalled = (size >= before[active] / 2) & (size <= STALLED * limit)
        lost = ~np.isfinite(size)
        failed[active[lost]] = True
        before[active] = np.where(slow, np.nan, size)
        active = active[~((size <= limit) | stalled | lost)]
    failed[active] = True
    return z, blocks, failed


def _slow(size: Array, before: Array, limit: Array, patience: int) -> Array:
    """Tell whether more than `patience` further corrections will come, at the present rate."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = size / before
        to_come = np.log(limit / size) / np.log(rate)
        return np.asarray((size > STALLED * limit) & ((rate >= 1) | (to_come > patience)))


def _apply(inverse: Array, residual: Array) -> Array:
    return np.asarray(inverse @ residual.reshape(len(residual), -1, 1)).reshape(residual.shape)


def _norm(z: Array) -> Array:
    """Return the largest entry of each lane, (R,)."""
    return np.asarray(np.abs(z).max(axis=(1, 2)))
