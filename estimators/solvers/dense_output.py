"""Dense output: the stored solution of a forward solve, each lane on its own mesh."""

from dataclasses import dataclass

import numpy as np

from systems import Array


def nested(fraction: Array, coefficients: Array) -> Array:
    """The polynomial of coefficients (R, D, m) in the nested basis, at fractions s (R, 1).

    s (c_0 + (1-s) (c_1 + s (c_2 + ...))): Hairer, Norsett, Wanner (1993), II.6. Well conditioned,
    and with `tableaus.hermite`'s coefficients the cubic Hermite interpolant.
    """
    factors = fraction, 1 - fraction
    value = coefficients[:, -1] * factors[(coefficients.shape[1] - 1) % 2]
    for k in reversed(range(coefficients.shape[1] - 1)):
        value += coefficients[:, k]
        value *= factors[k % 2]
    return np.asarray(value)


Piece = tuple[Array, Array, Array, Array, Array]
"""Steps of R lanes: lane (R,), start (R,), length (R,), base (R, m), coefficients (R, D, m)."""


@dataclass(frozen=True)
class DenseOutput:
    """Piecewise polynomials of all lanes in one table, sorted by lane and time.

    `keys` (N,) = lane * stride + start of the step, for searching; `start` and `length` (N,);
    `base` (N, m) and `coefficients` (N, D, m) of the step's `nested` polynomial.
    """

    stride: float
    keys: Array
    start: Array
    length: Array
    base: Array
    coefficients: Array

    def __call__(self, lane: Array, t: Array) -> Array:
        """x(t) (R, m) of rows that belong to `lane` (R,) at times t (R,)."""
        step = np.searchsorted(self.keys, lane * self.stride + t, side="right") - 1
        fraction = (t - self.start[step]) / self.length[step]
        return self.base[step] + nested(fraction[:, None], self.coefficients[step])


def collect(span: float, pieces: list[Piece]) -> DenseOutput:
    """Sort the accepted steps of a solve within [0, span]."""
    lane, start, length, base, coefficients = (
        np.concatenate(parts) for parts in zip(*pieces, strict=True)
    )
    stride = 2 * span
    keys = lane * stride + start
    order = np.argsort(keys, kind="stable")
    return DenseOutput(
        stride, keys[order], start[order], length[order], base[order], coefficients[order]
    )
