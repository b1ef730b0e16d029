"""Integrals of the polynomials that interpolate values at uneven nodes, by divided differences.

    int_0^u p(s) ds = sum_j y[n_0, ..., n_j] int_0^u (s - n_0) ... (s - n_{j-1}) ds

Here y[n_0, ..., n_j] are the divided differences of the values y at the nodes (Hairer, Norsett,
Wanner 1993, III.5, there by recursion).
"""

import numpy as np

from gradpareto.systems import Array

MOST_NODES = 14
FEW = 400
"""For slices of fewer numbers than this, one call is quicker than one for each slice."""
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(MOST_NODES // 2 + 1)


def accumulate(operation: np.ufunc, values: Array, out: Array) -> Array:
    """Write operation.accumulate(values) along the first axis into `out`, and return that.

    Operations on whole slices are vectorised, which an accumulation is not.
    """
    if values[0].size < FEW:
        return np.asarray(operation.accumulate(values, axis=0, out=out))
    out[0] = values[0]
    for j in range(1, len(values)):
        operation(out[j - 1], values[j], out=out[j])
    return out


def basis_integrals(nodes: Array, upto: Array) -> Array:
    """Return int_0^upto (s - n_0) ... (s - n_{j-1}) ds (R, J), of nodes (R, J) and upto (R,).

    Raises ValueError above MOST_NODES nodes.
    """
    count = nodes.shape[1]
    if count > MOST_NODES:
        raise ValueError(f"the integrals are exact up to {MOST_NODES} nodes, not {count}")
    s = np.multiply.outer(0.5 + 0.5 * _POINTS, upto)
    factors = np.ones((count, *s.shape))
    np.subtract(s, nodes.T[:-1, None], out=factors[1:])
    products = accumulate(np.multiply, factors, out=factors)
    return np.asarray((np.einsum("q,jqr->jr", 0.5 * _WEIGHTS, products) * upto).T)


def partial_weights(nodes: Array, integrals: Array) -> list[Array]:
    """Return weights of values at the nodes that integrate the polynomial through the first few.

    Item j has those (j + 1, R) of the first j + 1 nodes, from nodes (R, J) and `basis_integrals`.
    """
    columns, integrals = np.ascontiguousarray(nodes.T), np.ascontiguousarray(integrals.T)
    inverse, weights, found = np.ones(columns.shape), np.zeros(columns.shape), []
    for j, column in enumerate(columns):
        gaps = columns[:j] - column
        inverse[:j] /= gaps
        inverse[j] = (-1) ** j / gaps.prod(axis=0)
        weights[: j + 1] += integrals[j] * inverse[: j + 1]
        found.append(weights[: j + 1].copy())
    return found


def first_weights(nodes: Array, upto: Array, count: Array) -> Array:
    """Return weights (R, J) that integrate the polynomials through the first `count` (R,) nodes.

    The integral is from 0 to `upto` (R,), of nodes (R, J).
    """
    chosen, weights = np.zeros(nodes.shape), partial_weights(nodes, basis_integrals(nodes, upto))
    for number in np.unique(count[count > 0]).tolist():
        rows = count == number
        chosen[rows, :number] = weights[number - 1][:, rows].T
    return chosen


def scaled_differences(group: Array, time: Array, values: Array, count: int) -> tuple[Array, Array]:
    """Return divided differences over neighbouring nodes, times spans, and the spans.

    Entry j, :, n of the first (count, m, N) is that over the nodes n to n + j of values (N, m),
    times entry j, n of the second (count, N), (t_{n+1} - t_n) ... (t_{n+j} - t_n). Both are of no
    meaning where these nodes are not in one group (N,).
    """
    here, ahead = np.arange(len(time)), np.arange(1, count)[:, None]
    there = np.minimum(here + ahead, len(time) - 1)
    one = (group[there] == group) & (here + ahead < len(time))
    gaps = np.where(one, time[there] - time, 1)
    spans = np.multiply.accumulate(np.concatenate([np.ones((1, len(time))), gaps]), axis=0)
    ratios = np.where(one[:, :-1], spans[:-1, :-1] / spans[:-1, 1:], 0).astype(values.dtype)
    differences = np.zeros((count, values.shape[1], len(time)), values.dtype)
    differences[0] = values.T
    for before, own, ratio in zip(differences, differences[1:], ratios, strict=False):
        np.multiply(before[:, 1:], ratio, out=own[:, :-1])
        own[:, :-1] -= before[:, :-1]
    return differences, spans


def antiderivatives(nodes: Array, count: int) -> Array:
    """Return the coefficients of int_0^u (s - n_0) ... (s - n_{j-1}) ds in the powers of u.

    Entry j, k of (count, count, R) is that of u^{k+1}, from nodes (R, J).
    """
    powers = np.zeros((count, count, len(nodes)))
    powers[0, 0] = 1
    for j in range(count - 1):
        powers[j + 1, 1 : j + 2] = powers[j, : j + 1]
        powers[j + 1, : j + 1] -= nodes[:, j] * powers[j, : j + 1]
    return np.asarray(powers / np.arange(1, count + 1)[:, None])
