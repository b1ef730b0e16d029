"""Gauss-Legendre nodes on [0, 1], and the matrices of the polynomials through them.

The estimators have tableaus of their own at these nodes. They are written again here on purpose:
the truth shares no code with what it judges.
"""

from functools import cache

import numpy as np
from numpy.polynomial import legendre

from gradpareto.systems import Array


@cache
def gauss(nodes: int) -> tuple[Array, Array]:
    """Return nodes c (nodes,) in (0, 1) and weights b (nodes,), exact to degree 2 nodes - 1."""
    x, w = legendre.leggauss(nodes)
    return 0.5 + 0.5 * x, 0.5 * w


@cache
def butcher(stages: int) -> Array:
    """Return the collocation method's matrix A (stages, stages).

    A[i, j] = int_0^c_i l_j, with the Lagrange polynomials l_j of the Gauss nodes. It is expanded in
    Legendre polynomials and not solved for, so that every entry is exact to rounding. See Hairer,
    Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.7.
    """
    c, b = gauss(stages)
    values = legendre.legvander(2 * c - 1, stages)
    integrals = 0.5 * (values[:, 2:] - values[:, :-2])
    return b * (c[:, None] + integrals @ values[:, 1:-1].T)


def extrapolation(stages: int, ratio: Array) -> Array:
    """Return the matrices E (B, stages, stages) from values at a step's nodes to the next step's.

    `ratio` (B,) is the length of the next step over that of this one.
    """
    c, b = gauss(stages)
    ahead = legendre.legvander(1 + 2 * ratio[:, None] * c, stages - 1)
    return np.asarray(b * ((ahead * (2 * np.arange(stages) + 1)) @ _at_nodes(stages).T))


@cache
def _at_nodes(stages: int) -> Array:
    """Return the first Legendre polynomials, one a column, at the nodes (stages, stages)."""
    return legendre.legvander(2 * gauss(stages)[0] - 1, stages - 1)


def combined(weights: Array, values: Array) -> Array:
    """Return sum_j weights_kj values_j (K, ...) of values (S, ...), or (...) if weights are (S,).

    NumPy's `tensordot` makes the same product, and takes longer to see what it is than to make it.
    """
    flat = np.atleast_2d(weights).dot(values.reshape(len(values), -1))
    return np.asarray(flat.reshape(*weights.shape[:-1], *values.shape[1:]))
