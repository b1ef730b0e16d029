"""The tableau of an explicit Runge-Kutta method: coefficients, error estimates and dense output."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from gradpareto.systems import Array


@dataclass(frozen=True, eq=False)
class Tableau:
    """An explicit Runge-Kutta method of s stages and of order `order`.

        x+ = x + h sum_i b_i k_i,  k_i = f(t + c_i h, x + h sum_j a_ij k_j)

    `error` (E, s + 1) holds the weights of the embedded error estimates, over the s stages and f(t
    + h, x+). A plain pair of orders `order` and `error_order` has one row, DOP853 has two.

    `dense` (D, s + 1 + extra) is the dense output, as coefficients of `nested`, over these stages
    and then the `extra` ones, (c, row of a over all stages before it), that only it needs. It is of
    order `dense_order` within the step, by default the highest that its degree D allows. Without
    `dense` it is the cubic Hermite interpolant.
    """

    name: str
    order: int
    a: Array
    b: Array
    c: Array
    error: Array | None = None
    error_order: int = 0
    dense: Array = field(default_factory=lambda: np.empty((0, 0)))
    extra: tuple[tuple[float, Array], ...] = ()
    dense_order: int = 0

    def __post_init__(self) -> None:
        if not self.dense.size:
            object.__setattr__(self, "dense", hermite(self.b))
        if not self.dense_order:
            object.__setattr__(self, "dense_order", min(self.order, len(self.dense)))

    @property
    def stages(self) -> int:
        """The number s of stages."""
        return len(self.b)

    @cached_property
    def stages_and_end(self) -> Array:
        """The weights (s + 1, s) of the slopes in each stage, a, and in the step's end, b."""
        return np.vstack([self.a, self.b])

    @property
    def error_needs_last(self) -> bool:
        """Whether the error estimate reads f(t + h, x+), so that rejected steps pay for it too."""
        return self.error is not None and bool(self.error[:, -1].any())

    @property
    def dense_needs_last(self) -> bool:
        """Whether the dense output reads f(t + h, x+)."""
        return bool(self.extra) or bool(self.dense[:, self.stages].any())

    def without_estimate(self) -> "Tableau":
        """Keep only the stages that x+ reads, for fixed steps without a dense output."""
        used = int(np.flatnonzero(self.b)[-1]) + 1
        a, b, c = self.a[:used, :used], self.b[:used], self.c[:used]
        return Tableau(self.name, self.order, a, b, c)

    def repeated(self, times: int) -> "Tableau":
        """Return the method of which one step is `times` equal steps of this one.

        It has `times` * s stages and no error estimate.
        """
        a = np.kron(np.eye(times), self.a) + np.kron(
            np.tri(times, k=-1), np.tile(self.b, (self.stages, 1))
        )
        c = np.add.outer(np.arange(times), self.c).ravel()
        name = f"{times} x {self.name}"
        return Tableau(name, self.order, a / times, np.tile(self.b, times) / times, c / times)

    def astype(self, dtype: DTypeLike) -> "Tableau":
        """Convert the coefficients to dtype; the nodes c stay float64, because times are."""
        if self.b.dtype == dtype:
            return self
        return replace(
            self,
            a=self.a.astype(dtype),
            b=self.b.astype(dtype),
            error=None if self.error is None else self.error.astype(dtype),
            dense=self.dense.astype(dtype),
            extra=tuple((c, row.astype(dtype)) for c, row in self.extra),
        )


def hermite(b: Array) -> Array:
    """Return the cubic Hermite interpolant of x, x+, f(x), f(x+), as coefficients (3, s + 1)."""
    step = np.append(b, 0.0)
    first, last = np.zeros_like(step), np.zeros_like(step)
    first[0], last[-1] = 1.0, 1.0
    return np.stack([step, first - step, 2 * step - first - last])


def nested_basis(powers: Array) -> Array:
    """Convert a dense output in powers s, s^2, ... (D, columns) to the basis of `nested`."""
    degree = len(powers)
    monomials = np.zeros((degree, degree))  # of s, s (1 - s), s^2 (1 - s), ...
    monomials[0, 0] = 1.0
    for k in range(1, degree):
        shifted = np.append(0.0, monomials[k - 1, :-1])
        monomials[k] = shifted if k % 2 == 0 else monomials[k - 1] - shifted
    return np.linalg.solve(monomials.T, powers)


def lower(rows: list[list[float]]) -> Array:
    """Return the square matrix of rows that stop before their diagonal."""
    matrix = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        matrix[i, : len(row)] = row
    return matrix
