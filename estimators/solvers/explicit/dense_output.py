"""Dense output: the solution of a Runge-Kutta solve, one polynomial for each step."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems import Array


def nested(fraction: Array, coefficients: Array) -> Array:
    """Evaluate polynomials of coefficients (..., 1 + D, m) in the nested basis at s (...).

    The polynomial is c_0 + s (c_1 + (1-s) (c_2 + s (c_3 + ...))): Hairer, Norsett, Wanner (1993),
    II.6. It is well conditioned, and with the coefficients of `tableaus.hermite` it is the cubic
    Hermite interpolant.
    """
    basis = np.empty(coefficients.shape[:-1], coefficients.dtype)
    basis[..., 0] = 1
    basis[..., 1::2] = fraction[..., None]
    basis[..., 2::2] = 1 - basis[..., 1:2]
    np.multiply.accumulate(basis, axis=-1, out=basis)
    return np.asarray((basis[..., None, :] @ coefficients)[..., 0, :])


Piece = tuple[Array, Array, Array, Array]
"""Steps of R lanes, as (lane (R,), start (R,), length (R,), coefficients (R, 1 + D, m) for
`nested`).
"""


@dataclass(frozen=True)
class DenseOutput:
    """The piecewise polynomials of all lanes in one table, sorted by lane and time.

    `keys` (N,) are lane * stride + the start of the step, and are searched for a time. `start` and
    `length` (N,) are those of the steps; lengths are negative where the solve went back in time.
    `coefficients` (N, 1 + D, m) are those of each step's `nested` polynomial.
    """

    stride: float
    keys: Array
    start: Array
    length: Array
    coefficients: Array

    def __call__(self, lane: Array, t: Array) -> Array:
        """Evaluate x(t) (..., R, m) in rows that belong to `lane` (R,) at times t (..., R)."""
        sought = lane * self.stride + t
        if self.length[0] > 0:
            step = np.searchsorted(self.keys, sought, side="right") - 1
        else:
            step = np.searchsorted(self.keys, sought, side="left")
        fraction = (t - self.start[step]) / self.length[step]
        return nested(fraction, self.coefficients.take(step, axis=0))

    @property
    def lane(self) -> Array:
        """The lane (N,) that each step belongs to."""
        return (self.keys // self.stride).astype(int)


def collect(span: float, pieces: list[Piece]) -> DenseOutput:
    """Sort the accepted steps of a solve within [0, span] into one table."""
    lane, start, length, coefficients = map(np.concatenate, zip(*pieces, strict=True))
    stride = 2 * span
    keys = lane * stride + start
    order = np.argsort(keys, kind="stable")
    return DenseOutput(stride, keys[order], start[order], length[order], coefficients[order])
