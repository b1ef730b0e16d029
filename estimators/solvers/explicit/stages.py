"""The stages of an explicit Runge-Kutta step, for every method that has one.

    X_i = x + h sum_{j < i} a_ij k_j,  k_i = f(X_i),  x+ = x + h sum_i b_i k_i

Hairer, Norsett, Wanner (1993), II.1. Whoever walks through the stages evaluates the slopes k_i.
"""

from collections.abc import Iterator

import numpy as np

from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array

Length = float | Array
"""A step length h: one number for all rows, or a column (R, 1) of one for each row."""


def as_column(h: Array, y: Array) -> Array:
    """Return step lengths h (R,) as a column (R, 1) in the precision of y."""
    return h[:, None].astype(y.dtype, copy=False)


def combine(weights: Array, slopes: Array) -> Array:
    """Return sum_j weights_j slopes_j of slopes (S, R, ...), as one matrix product: (R, ...)."""
    return np.asarray(weights.dot(slopes.reshape(len(slopes), -1)).reshape(slopes.shape[1:]))


def increment(h: Length, weights: Array, slopes: Array) -> Array:
    """Return h sum_j weights_j slopes_j of slopes (S, R, ...): (R, ...)."""
    # One length for all rows multiplies the few weights, not the many slopes.
    if isinstance(h, float):
        return combine(h * weights, slopes)
    return h * combine(weights, slopes)


def stage_states(
    tableau: Tableau, x: Array, h: Length, slopes: Array, first: int = 0
) -> Iterator[tuple[int, Array]]:
    """Yield each stage's number i, from `first` on, and its state X_i (R, ...).

    Whoever iterates writes the slope at X_i into slopes[i] (s, R, ...) before asking for the next.
    """
    # One length for all rows multiplies the weights of all stages at once.
    for_all = isinstance(h, float)
    a = h * tableau.a if for_all else tableau.a
    for i in range(first, tableau.stages):
        if not i:
            yield i, x
            continue
        state = combine(a[i, :i], slopes[:i])
        if not for_all:
            state *= h
        state += x
        yield i, state
