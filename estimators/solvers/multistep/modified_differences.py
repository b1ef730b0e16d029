"""A step of Adams' method in modified divided differences, which take O(k) numbers at order k.

    p = y + h sum_{j < k} g_j phi*_j(n),     y+ = p + h g_k phi_k(n + 1),
    phi*_j(n) = beta_j phi_j(n),     phi_0(n) = f_n,     phi_{j+1}(n) = phi_j(n) - phi*_j(n - 1)

Krogh 1974; Hairer, Norsett, Wanner 1993, III.5, equations 5.7 to 5.12.
"""

import numpy as np

from gradpareto.estimators.solvers.multistep.divided_differences import MOST_NODES
from gradpareto.systems import Array

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(MOST_NODES // 2 + 1)
_BACK = 0.5 - 0.5 * _POINTS
"""The distances of the quadrature's points from the end of a step, in units of its length."""
_RULE = 0.5 * np.stack([_WEIGHTS, -_WEIGHTS * _BACK])
NEIGHBOURS = np.array([[0], [1], [-1]])
"""The order in use, the next higher and the next lower, as distances from that in use."""


class ModifiedDifferences:
    """The differences phi (m, R, K) of R rows' slopes, and their last times (R, MOST_NODES).

    K is the highest order in use plus 2: a row of order k needs phi_0 to phi_{k+1}, and higher ones
    are finite numbers without a meaning.
    """

    def __init__(self, t: Array, slope: Array, apart: float) -> None:
        """Begin at times t (R,) with slopes (R, m).

        Points that are not known yet stand `apart` from those that are, and have no weight.
        """
        self.times = t[:, None] - apart * np.arange(MOST_NODES)
        self.phi = np.zeros((*slope.T.shape, 3), slope.dtype)
        self.phi[..., 0] = slope.T

    def predict(self, h: Array, order: Array) -> Array:
        """Return the change of y (R, m) over steps h (R,) that order (R,) predicts."""
        missing = int(order.max()) + 2 - self.phi.shape[2]
        if missing > 0:
            self.phi = np.pad(self.phi, ((0, 0), (0, 0), (0, missing)))
        self.order, self.h, known = order, h[:, None], self.phi.shape[2]
        back = (self.times[:, :1] - self.times[:, :known]) / self.h
        ahead = 1 + back
        beta = np.multiply.accumulate(ahead[:, :-2] / back[:, 1:-1], axis=1)
        self.integrals, self.corrections = _integrals(ahead)
        # A slot for the new slope, and phi* behind it: their differences are the new phi.
        self.star = np.empty_like(self.phi)
        self.star[..., 1] = self.phi[..., 0]
        np.multiply(self.phi[..., 1:-1], beta, out=self.star[..., 2:], casting="same_kind")
        used = np.arange(known - 1) < order[:, None]
        weights = np.where(used, self.integrals[:, :-1] * self.h, 0).astype(self.phi.dtype)
        return np.asarray(np.einsum("rk,mrk->rm", weights, self.star[..., 1:]))

    def correct(self, slope: Array) -> tuple[Array, Array]:
        """Return what slopes (R, m) at the predicted y add to it, and terms (m, 3, R).

        The terms are the differences of y between two orders, which estimate the error of the lower
        one: of the order in use, of the next higher, and of the next lower.
        """
        self.star[..., 0] = slope.T
        self.new = np.subtract.accumulate(self.star, axis=2)
        row, near = np.arange(len(slope)), self.order + NEIGHBOURS
        phi, scale = self.new[:, row, near], self.h[:, 0]
        change = (scale * self.integrals[row, self.order]).astype(slope.dtype) * phi[:, 0]
        return change.T, phi * (scale * self.corrections[row, near]).astype(slope.dtype)

    def replace(self, rows: Array, slope: Array) -> None:
        """Put slopes in place of those that `correct` was given for some rows."""
        self.star[:, rows, 0] = slope.T
        self.new = np.subtract.accumulate(self.star, axis=2)

    def accept(self, t: Array, accepted: Array) -> None:
        """Go on to times t (R,) in the rows that are `accepted`; others stay as they were."""
        times = np.concatenate([t[:, None], self.times[:, :-1]], axis=1)
        rejected = np.flatnonzero(~accepted)
        if len(rejected):
            times[rejected], self.new[:, rejected] = self.times[rejected], self.phi[:, rejected]
        self.times, self.phi = times, self.new

    def keep(self, rows: Array) -> None:
        """Forget all rows but some."""
        self.times, self.phi = self.times[rows], self.phi[:, rows]


def _integrals(ahead: Array) -> tuple[Array, Array]:
    """Return g_j and g_j - g_{j-1} (R, K) for distances `ahead` (R, K) of t_{n+1} from the points.

    Distances are in units of the step's length h, and g_j is the integral of
    prod_{i < j} (s h + t_n - t_{n-i}) / (t_{n+1} - t_{n-i}) over s from 0 to 1. The first of the
    second is 0.
    """
    basis = np.ones((len(_BACK), *ahead.shape))
    np.multiply((-_BACK)[:, None, None], 1 / ahead[:, :-1], out=basis[..., 1:])
    basis[..., 1:] += 1
    basis = np.multiply.accumulate(basis, axis=2)
    integrals, corrections = np.einsum("eq,qrk->erk", _RULE, basis)
    corrections[:, 1:] = corrections[:, :-1] / ahead[:, :-1]
    corrections[:, 0] = 0
    return integrals, corrections
