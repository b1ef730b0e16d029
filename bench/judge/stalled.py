"""Tells whether an estimator's error has stopped falling as its settings get tighter."""

from collections.abc import Sequence

import pandas as pd

from gradpareto.bench.judge.frontier import NO_ESTIMATE, at_floor, median_points

WITHOUT_GAIN = 2
"""The tightenings in a row after the first estimate that may bring no smaller error."""
GAIN = 0.9
"""The factor to which an error has to fall for it to have fallen."""


def stands(errors: Sequence[float]) -> bool:
    """Tell whether the last tightenings have brought no gain in the errors of estimates."""
    if len(errors) <= WITHOUT_GAIN:
        return False
    return GAIN * min(errors[:-WITHOUT_GAIN]) <= min(errors[-WITHOUT_GAIN:])


def stops_at(records: pd.DataFrame) -> float | None:
    """Return the median error at which one estimator stops improving on a problem, else None.

    Errors at the reference's floor may fall on, unseen.
    """
    points = median_points(records)
    floored = at_floor(records).groupby(records.setting).mean().reindex(points.index)
    points = points[points.rel_error <= NO_ESTIMATE]
    rises = records.knob.iloc[0] == "rollouts"
    errors = points.rel_error.sort_index(ascending=rises)
    if not len(errors) or (floored[errors.index] >= 0.5).any() or not stands(errors.tolist()):
        return None
    return float(errors.min())
