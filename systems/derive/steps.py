"""Derivatives of a row function by steps: complex ones, exact to rounding, or real ones."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems.derive.row_function import RowFunction
from gradpareto.systems.system import Array

TINY = 1e-20
"""The complex step, whose square vanishes beside 1 in float32 too."""
OFFSETS = np.array([-2.0, -1.0, 1.0, 2.0])
WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12
"""The central difference of order 4."""


@dataclass(frozen=True)
class ComplexStep:
    """The vector-Jacobian product by a complex step in each of the n inputs, in one call."""

    function: RowFunction

    def __call__(self, context: Array | None, t: Array, z: Array, a: Array) -> Array:
        rows, n = z.shape
        moved = z[:, None] + 1j * TINY * np.eye(n, dtype=z.dtype)
        found = self.function(*_repeated(context, t, n), moved.reshape(rows * n, n))
        by_z = found.imag.reshape(rows, n, -1) / TINY
        return np.asarray(np.einsum("rnm,rm->rn", by_z, a), z.dtype)


@dataclass(frozen=True)
class Differences:
    """The vector-Jacobian product by central differences of order 4 in each of the n inputs.

    The steps are the fifth root of the rounding unit, times the inputs or, where they are smaller,
    their usual sizes `scale` (n,).
    """

    function: RowFunction
    scale: Array

    def __call__(self, context: Array | None, t: Array, z: Array, a: Array) -> Array:
        rows, n = z.shape
        h = np.finfo(z.dtype).eps ** 0.2 * np.maximum(np.abs(z), self.scale.astype(z.dtype))
        moves = OFFSETS[:, None, None].astype(z.dtype) * np.eye(n, dtype=z.dtype)
        moved = z[:, None, None] + h[:, None, None] * moves
        times = len(OFFSETS) * n
        found = self.function(*_repeated(context, t, times), moved.reshape(rows * times, n))
        found = found.reshape(rows, len(OFFSETS), n, -1)
        by_z = np.einsum("k,rknm->rnm", WEIGHTS, found) / h[..., None]
        return np.asarray(np.einsum("rnm,rm->rn", by_z, a), z.dtype)


def flows_a_row(n: int) -> int:
    """Return the rows of the function in one row of a product by differences in n inputs."""
    return len(OFFSETS) * n


def _repeated(context: Array | None, t: Array, times: int) -> tuple[Array | None, Array]:
    return None if context is None else np.repeat(context, times, axis=0), np.repeat(t, times)
