"""Derivatives by central differences, extrapolated to step zero, with an error estimate.

With steps h_j = h_0 / RATIO^j the differences D_j have an error in even powers of h_j, which a
Neville table removes one by one (Ridders, Advances in Engineering Software 4, 1982).
"""

from collections.abc import Callable

import numpy as np

from gradpareto.systems import Array

RATIO, LEVELS = 4.0, 5


def widths(first: Array) -> Array:
    """Return the steps (LEVELS, ...) of which the first is given (...)."""
    shrink = RATIO ** -np.arange(LEVELS)
    return np.asarray(shrink.reshape(-1, *(1,) * np.ndim(first)) * first)


def derivative(values: Callable[[Array], Array], first: Array) -> tuple[Array, Array]:
    """Differentiate at 0, and return the derivative (...) and an estimate of its error (...).

    `values` maps steps (2 LEVELS, ...) to the function's values there, of the same shape; `first`
    (...) is the largest step.
    """
    h = widths(first)
    found = values(np.concatenate([h, -h]))
    return extrapolated((found[:LEVELS] - found[LEVELS:]) / (2 * h))


def extrapolated(column: Array) -> tuple[Array, Array]:
    """Extrapolate central differences (LEVELS, ...) to step zero.

    Return the entry of the Neville table whose estimated error is smallest, and that error: the
    distance from its two neighbours of one order less, and from the runner-up in the table, since
    neighbours may agree by accident. It is infinite where the differences are not finite.
    """
    entries, errors = [column[-1]], [np.full(column.shape[1:], np.inf)]
    for order in range(1, LEVELS):
        factor = RATIO ** (2 * order)
        better = (factor * column[1:] - column[:-1]) / (factor - 1)
        entries += list(better)
        errors += list(np.maximum(np.abs(better - column[1:]), np.abs(better - column[:-1])))
        column = better
    entries_, errors_ = np.stack(entries), np.stack(errors)
    errors_ = np.where(np.isfinite(errors_), errors_, np.inf)
    best, second = (
        np.take_along_axis(entries_, place[None], 0)[0] for place in np.argsort(errors_, axis=0)[:2]
    )
    error = np.maximum(errors_.min(axis=0), np.abs(best - second))
    return best, np.where(np.isfinite(error), error, np.inf)
