"""A step of Adams' method in modified divided differences, which take O(k) numbers at order k.

    p = y + h sum_{j < k} g_j phi*_j(n),     y+ = p + h g_k phi_k(n + 1),
    phi*_j(n) = beta_j phi_j(n),     phi_0(n) = f_n,     phi_{j+1}(n) = phi_j(n) - phi*_j(n - 1)

Krogh 1974; Hairer, Norsett, Wanner 1993, III.5, equations 5.7 to 5.12.
"""

import numpy as np

from gradpareto.estimators.solvers.multistep.divided_differences import (
    MOST_NODES,
    accumulate,
)
from gradpareto.systems import Array

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(MOST_NODES // 2 + 1)
_BACK = (0.5 - 0.5 * _POINTS)[:, None]
"""The distances of the quadrature's points from the end of a step, in units of its length."""
_RULE = 0.5 * np.stack([_WEIGHTS, -_WEIGHTS * _BACK[:, 0]])
NEIGHBOURS = np.array([[0], [1], [-1]])
"""The order in use, the next higher and the next lower, as distances from that in use."""
_COLUMN = np.arange(MOST_NODES)[:, None]


class ModifiedDifferences:
    """The differences phi (K, m, R) of R rows' slopes, and their last times (MOST_NODES, R).

    K is the highest order at the last step plus 2: a row of order k needs phi_0 to phi_{k+1}, and
    higher ones are finite numbers without a meaning. An order rises by at most 1 at a step. Rows
    come last, so that recurrences in k are vectorised.
    """

    def __init__(self, t: Array, slope: Array, apart: float) -> None:
        """Begin at times t (R,) with slopes (R, m).

        Points that are not known yet stand `apart` from those that are, and have no weight.
        """
        self.times = t - apart * _COLUMN
        self.phi = np.zeros((3, *slope.T.shape), slope.dtype)
        self.phi[0] = slope.T

    def predict(self, h: Array, order: Array) -> Array:
        """Return the change of y (R, m) over steps h (R,) that order (R,) predicts."""
        self.order, self.h, known = order, h, int(order.max()) + 2
        back = (self.times[0] - self.times[:known]) / h
        ahead = 1 + back
        beta = np.multiply.accumulate(ahead[:-2] / back[1:-1], axis=0)
        self.integrals, self.corrections = _integrals(ahead)
        # A slot for the new slope, and phi* behind it: their differences are the new phi.
        self.star = np.empty((known, *self.phi.shape[1:]), self.phi.dtype)
        self.star[1] = self.phi[0]
        np.multiply(self.phi[1 : known - 1], beta[:, None], out=self.star[2:], casting="same_kind")
        weights = self.integrals[:-1] * h
        weights[_COLUMN[: known - 1] >= order] = 0
        weights = weights.astype(self.phi.dtype, copy=False)
        return np.asarray(np.einsum("kr,kmr->rm", weights, self.star[1:]))

    def correct(self, slope: Array) -> tuple[Array, Array]:
        """Return what slopes (R, m) at the predicted y add to it, and terms (3, m, R).

        The terms are the differences of y between two orders, which estimate the error of the lower
        one: of the order in use, of the next higher, and of the next lower.
        """
        self.star[0] = slope.T
        self.new = accumulate(np.subtract, self.star, out=np.empty_like(self.star))
        near, row = self.order + NEIGHBOURS, np.arange(len(slope))
        place = np.arange(slope.size).reshape(-1, len(row))
        phi = self.new.take(near[:, None] * slope.size + place)
        scale = (self.h * self.integrals[self.order, row]).astype(slope.dtype)
        change = phi[0] * scale
        phi *= (self.h * self.corrections[near, row]).astype(slope.dtype)[:, None]
        return change.T, phi

    def replace(self, rows: Array, slope: Array) -> None:
        """Put slopes in place of those that `correct` was given for some rows."""
        self.star[0][:, rows] = slope.T
        self.new = accumulate(np.subtract, self.star, out=np.empty_like(self.star))

    def accept(self, t: Array, accepted: Array) -> None:
        """Go on to times t (R,) in the rows that are `accepted`; others stay as they were."""
        times = np.concatenate([t[None], self.times[:-1]])
        if not accepted.all():
            rejected, known = np.flatnonzero(~accepted), min(len(self.phi), len(self.new))
            times[:, rejected] = self.times[:, rejected]
            self.new[:known, :, rejected] = self.phi[:known, :, rejected]
            self.new[known:, :, rejected] = 0
        self.times, self.phi = times, self.new

    def keep(self, rows: Array) -> None:
        """Forget all rows but some."""
        self.times, self.phi = self.times[:, rows], self.phi[..., rows]


def _integrals(ahead: Array) -> tuple[Array, Array]:
    """Return g_j and g_j - g_{j-1} (K, R) for distances `ahead` (K, R) of t_{n+1} from the points.

    Distances are in units of the step's length h, and g_j is the integral of
    prod_{i < j} (s h + t_n - t_{n-i}) / (t_{n+1} - t_{n-i}) over s from 0 to 1. The first of the
    second is 0.
    """
    factors = np.empty((len(ahead), len(_BACK), ahead.shape[1]))
    factors[0] = 1
    np.divide(_BACK, ahead[:-1, None], out=factors[1:])
    np.subtract(1, factors[1:], out=factors[1:])
    basis = accumulate(np.multiply, factors, out=factors)
    integrals, corrections = (_RULE @ basis).transpose(1, 0, 2)
    np.divide(corrections[:-1], ahead[:-1], out=corrections[1:])
    corrections[0] = 0
    return integrals, corrections
