"""Dense output: the stored solution of a forward solve, each lane on its own mesh."""

from dataclasses import dataclass

import numpy as np

from gradpareto.systems import Array


def nested(fraction: Array, coefficients: Array) -> Array:
    """The polynomial of coefficients (..., 1 + D, m) in the nested basis, at fractions s (...).

    c_0 + s (c_1 + (1-s) (c_2 + s (c_3 + ...))): Hairer, Norsett, Wanner (1993), II.6. Well
    conditioned, and with `tableaus.hermite`'s coefficients the cubic Hermite interpolant.
    """
    basis = np.empty(coefficients.shape[:-1], coefficients.dtype)
    basis[..., 0] = 1
    basis[..., 1::2] = fraction[..., None]
    basis[..., 2::2] = 1 - basis[..., 1:2]
    np.multiply.accumulate(basis, axis=-1, out=basis)
    return np.asarray((basis[..., None, :] @ coefficients)[..., 0, :])


Piece = tuple[Array, Array, Array, Array]
"""Steps of R lanes: lane (R,), start (R,), length (R,), coefficients (R, 1 + D, m) for `nested`."""


@dataclass(frozen=True)
class DenseOutput:
    """Piecewise polynomials of all lanes in one table, sorted by lane and time.

    `keys` (N,) = lane * stride + start of the step, for searching; `start` and `length` (N,),
    negative where the solve went back in time; `coefficients` (N, 1 + D, m) of the step's `nested`
    polynomial.
    """

    stride: float
    keys: Array
    start: Array
    length: Array
    coefficients: Array

    def __call__(self, lane: Array, t: Array) -> Array:
        """x(t) (..., R, m) of rows that belong to `lane` (R,) at times t (..., R)."""
        sought = lane * self.stride + t
        if self.length[0] > 0:
            step = np.searchsorted(self.keys, sought, side="right") - 1
        else:
            step = np.searchsorted(self.keys, sought, side="left")
        fraction = (t - self.start[step]) / self.length[step]
        return nested(fraction, self.coefficients.take(step, axis=0))

    @property
    def lane(self) -> Array:
        """Whose step it is (N,)."""
        return (self.keys // self.stride).astype(int)


def collect(span: float, pieces: list[Piece]) -> DenseOutput:
    """Sort the accepted steps of a solve within [0, span]."""
    lane, start, length, coefficients = map(np.concatenate, zip(*pieces, strict=True))
    stride = 2 * span
    keys = lane * stride + start
    order = np.argsort(keys, kind="stable")
    return DenseOutput(stride, keys[order], start[order], length[order], coefficients[order])
