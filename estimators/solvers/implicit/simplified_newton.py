"""Simplified Newton's method for the stages of an implicit step, and for their transpose.

    z <- z + (1 - dg/dz)^-1 (g(z) - z)

The matrix dg/dz is frozen until convergence is slow (Hairer and Wanner 1996, IV.8).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradpareto.systems import Array

MOST_ITERATIONS = 50
ROUNDINGS = 64.0
"""A correction of this number of last places makes the solution count as exact."""
FEW = 8
"""Fewer lanes than this have their maxima taken row by row."""
STALLED = 100.0
"""Corrections up to this multiple of the limit that no longer shrink are due to rounding."""


class Stages(Protocol):
    """The equations z = g(z) in every lane, for z (B, s, d)."""

    def residual(self, lanes: Array, z: Array) -> tuple[Array, Array]:
        """Return g(z) - z (R, s, d), and the size (R,) of what it was summed from."""

    def jacobian(self, lanes: Array, z: Array) -> Array:
        """Return df/dx (R, s, d, d) at the stages."""

    def inverse(self, blocks: Array) -> Array:
        """Return an array (R, ...) that holds the inverse of 1 - dg/dz, from df/dx (R, s, d, d)."""

    def correction(self, frozen: "Frozen", residual: Array) -> Array:
        """Return (1 - dg/dz)^-1 residual (R, s, d), where `frozen` is of these lanes alone."""


@dataclass(frozen=True)
class Frozen:
    """The df/dx `blocks` (B, s, d, d) that an iteration froze last, and their `inverse`."""

    blocks: Array
    inverse: Array

    def of(self, lanes: Array | slice) -> "Frozen":
        """Return those of some lanes."""
        return Frozen(self.blocks[lanes], self.inverse[lanes])

    def renew(self, stages: Stages, lanes: Array, z: Array, residual: Array) -> Array:
        """Freeze df/dx at z (B, s, d) in lanes (R,); return their correction of a residual."""
        self.blocks[lanes] = stages.jacobian(lanes, z[lanes])
        self.inverse[lanes] = stages.inverse(self.blocks[lanes])
        return stages.correction(self.of(lanes), residual)


def simplified_newton(
    stages: Stages,
    z: Array,
    frozen: Frozen,
    patience: int,
    tolerance: float | None = None,
    iterations: int = MOST_ITERATIONS,
) -> tuple[Array, Frozen, Array]:
    """Solve from the guess z (B, s, d) and with a frozen matrix.

    Return the solution, the matrix last used, and which lanes failed (B,). Each lane ends, and
    renews its matrix, by itself: when at the present rate it would go on for more than `patience`
    further iterations (a renewal costs d of them). The tolerance is rounding's if None.
    """
    z, given = z.copy(), frozen
    tolerance = ROUNDINGS * float(np.finfo(z.dtype).eps) if tolerance is None else tolerance
    failed = ~(_finite(frozen.inverse) & _finite(z))
    before, active = np.full(len(z), np.nan), (~failed).nonzero()[0]
    for iteration in range(iterations if len(active) else 0):
        # A slice makes views, where the active lanes would be copied.
        rows, own = (slice(None), frozen) if len(active) == len(z) else (active, frozen.of(active))
        residual, scale = stages.residual(active, z[rows])
        step = stages.correction(own, residual)
        size, limit, last = largest(step), tolerance * scale, before[rows]
        if (size <= limit).all() and np.isfinite(size).all():
            z[rows] += step
            return z, frozen, failed
        if iteration and (slow := _slow(size, last, limit, patience)).any():
            frozen = _own(frozen) if frozen is given else frozen
            step[slow] = frozen.renew(stages, active[slow], z, residual[slow])
            size[slow] = largest(step[slow])
        z[rows] += step
        failed[rows] = ~np.isfinite(size)
        ended = _solved(size, last, limit) | failed[rows]
        before[rows] = np.where(slow, np.nan, size) if iteration else size
        active = active[~ended]
        if not len(active):
            return z, frozen, failed
    failed[active] = True
    return z, frozen, failed


def _solved(size: Array, before: Array, limit: Array) -> Array:
    """Tell whether corrections are below the limit, or no longer shrink because of rounding."""
    return np.asarray((size <= limit) | ((size >= before / 2) & (size <= STALLED * limit)))


def _own(frozen: Frozen) -> Frozen:
    """Return a copy that may be written into: others hold the blocks and their inverse."""
    return Frozen(frozen.blocks.copy(), frozen.inverse.copy())


def _slow(size: Array, before: Array, limit: Array, patience: int) -> Array:
    """Tell whether more than `patience` further corrections will come, at the present rate."""
    large = size > STALLED * limit
    if not large.any():
        return np.asarray(large)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = size / before
        to_come = np.log(limit / size) / np.log(rate)
        return np.asarray(large & ((rate >= 1) | (to_come > patience)))


def _finite(arrays: Array) -> Array:
    """Tell which arrays (R,) have a finite sum: the entries of these are finite too."""
    return np.asarray(np.isfinite(arrays.sum(axis=tuple(range(1, arrays.ndim)))))


def largest(z: Array, *others: Array) -> Array:
    """Return the largest absolute entry of each lane in arrays (R, ...) of one shape: (R,)."""
    sizes = np.abs(z)
    for other in others:
        np.maximum(sizes, np.abs(other), out=sizes)
    rows = sizes.reshape(len(z), -1)
    if len(rows) < FEW:
        return np.asarray(np.maximum.reduce(rows, axis=1))
    # NumPy takes the maximum over a long last axis of columns sooner than over short rows.
    return np.asarray(np.maximum.reduce(rows.T.copy()))
