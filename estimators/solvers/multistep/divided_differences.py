"""Integrals of the polynomials that interpolate values at uneven nodes, by divided differences.

    int_0^u p(s) ds = sum_j y[n_0, ..., n_j] int_0^u (s - n_0) ... (s - n_{j-1}) ds

Here y[n_0, ..., n_j] are the divided differences of the values y at the nodes (Hairer, Norsett,
Wanner 1993, III.5, there by recursion).
"""

import numpy as np

from gradpareto.systems import Array

MOST_NODES = 14
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(MOST_NODES // 2 + 1)


def basis_integrals(nodes: Array, upto: Array) -> Array:
    """Return int_0^upto (s - n_0) ... (s - n_{j-1}) ds (R, J), of nodes (R, J) and upto (R,)."""
    s = upto[:, None] * (0.5 + 0.5 * _POINTS)
    factors = np.ones((len(nodes), len(_POINTS), nodes.shape[1]))
    np.subtract(s[:, :, None], nodes[:, None, :-1], out=factors[:, :, 1:])
    products = np.multiply.accumulate(factors, axis=-1)
    return np.asarray(0.5 * upto[:, None] * (_WEIGHTS @ products))


def term_weights(nodes: Array, upto: Array) -> Array:
    """Return weights (R, J, J) that turn values at nodes (R, J) into the J terms of an integral.

    Row j is int_0^upto (s - n_0) ... (s - n_{j-1}) ds times the divided difference over n_0 .. n_j.
    The sum of the first j terms integrates the polynomial through the first j nodes, and the next
    term estimates its error. Raises ValueError above MOST_NODES nodes.
    """
    count = nodes.shape[1]
    if count > MOST_NODES:
        raise ValueError(f"the integrals are exact up to {MOST_NODES} nodes, not {count}")
    gaps = nodes[:, :, None] - nodes[:, None, :]
    gaps[:, range(count), range(count)] = 1
    products = np.multiply.accumulate(gaps, axis=2)
    integrals = basis_integrals(nodes, upto)[:, :, None]
    return np.asarray(np.tril(integrals / products.transpose(0, 2, 1)))


def partial_sum(weights: Array, count: Array) -> Array:
    """Sum the first `count` (R,) of each row's terms (R, J, J) into weights (R, J)."""
    used = np.arange(weights.shape[1]) < count[:, None]
    return np.asarray((used[:, None, :].astype(float) @ weights)[:, 0])
