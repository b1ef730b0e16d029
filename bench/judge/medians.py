"""Medians of what is known among some values, also group by group."""

import numpy as np

from gradpareto.systems import Array


def median_known(values: Array) -> Array:
    """Return the median over the last axis of what is not NaN.

    It is NaN where nothing is known, and where it would be the mean of -inf and inf.
    """
    ordered, count = np.sort(values, axis=-1), (~np.isnan(values)).sum(axis=-1)
    low, high = (
        np.take_along_axis(ordered, np.maximum(place, 0)[..., None], -1)[..., 0]
        for place in ((count - 1) // 2, np.minimum(count // 2, values.shape[-1] - 1))
    )
    with np.errstate(invalid="ignore"):
        middle = np.where(low == high, low, 0.5 * (low + high))
    return np.where(count > 0, middle, np.nan)


def grouped_medians(groups: Array, values: Array) -> tuple[Array, Array, Array]:
    """Return the groups (G,) in rising order, their sizes (G,) and `median_known` (..., G).

    `groups` (N,) tells the group of each of the values (..., N).
    """
    found, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(own, kind="stable")
    places = np.arange(len(own)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    padded = np.full((*values.shape[:-1], len(found), sizes.max(initial=1)), np.nan)
    padded[..., own[order], places] = values[..., order]
    return found, sizes, median_known(padded)
