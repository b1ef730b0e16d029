"""Integrals of polynomials through unevenly spaced nodes, in Newton's form."""

import numpy as np

from gradpareto.systems import Array

MOST_NODES = 14
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(MOST_NODES // 2 + 1)


def basis_integrals(nodes: Array, upto: Array) -> Array:
    """int_0^upto (s - n_0) ... (s - n_{j-1}) ds for j < J: (R, J), of nodes (R, J), upto (R,)."""
    s = upto[:, None] * (0.5 + 0.5 * _POINTS)
    factors = np.ones((len(nodes), len(_POINTS), nodes.shape[1]))
    np.subtract(s[:, :, None], nodes[:, None, :-1], out=factors[:, :, 1:])
    products = np.multiply.accumulate(factors, axis=-1)
    return np.asarray(0.5 * upto[:, None] * (_WEIGHTS @ products))


def term_weights(nodes: Array, upto: Array) -> Array:
    """Weights (R, J, J) that make of values at nodes (R, J) the J terms of an integral.

    Row j is int_0^upto (s - n_0) ... (s - n_{j-1}) ds times the divided difference over n_0 .. n_j
    (Hairer, Norsett, Wanner 1993, III.5, there by recursion). The sum of the first j terms
    integrates the polynomial through the first j nodes, the next is about its error. Raises
    ValueError above MOST_NODES nodes.
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
    """The sum (R, J) of the first `count` (R,) of each row's terms (R, J, J)."""
    used = np.arange(weights.shape[1]) < count[:, None]
    return np.asarray((used[:, None, :].astype(float) @ weights)[:, 0])
