"""The estimators that a figure of many draws in full: those that a reader looks for."""

from collections import Counter
from collections.abc import Iterable

import moocore
import numpy as np
import pandas as pd

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.judge.frontier import deciding, median_curve

MOST_NAMED = 12
"""Up to this number of estimators, all are named."""
ALWAYS = ("bptt", "ctpg", "neural_ode")
"""The estimators that are named in every figure: those of the paper."""
RULE = f"{', '.join(ALWAYS)}, the best of each family, and those that own most of the frontier"
"""The sentence that a figure of many says of whom it names."""


def named(records: pd.DataFrame, column: str) -> set[str]:
    """Return the estimators to name on one problem: all of few, and of many the highlighted."""
    everyone = set(records.estimator)
    return everyone if len(everyone) <= MOST_NAMED else highlighted(records, column)


def highlighted(records: pd.DataFrame, column: str) -> set[str]:
    """Return the estimators to highlight among all records of one problem.

    If there are few, they are all. Otherwise they are ALWAYS, from each family the one that owns
    most of the family's own frontier of medians, in the cost `column` and the error, and up to
    MOST_NAMED those that own most of the frontier of all.
    """
    names = set(deciding(records[records[column] > 0]).estimator)
    if len(names) <= MOST_NAMED:
        return names
    points = pd.concat(
        [_points(own, column, str(name)) for name, own in records.groupby("estimator")]
    )
    best = {Counter(_owners(own, column)).most_common(1)[0][0] for own in _families(points)}
    chosen = best | (names & set(ALWAYS))
    for name, _ in Counter(_owners(points, column)).most_common():
        if len(chosen) < MOST_NAMED:
            chosen.add(name)
    return chosen


def _points(records: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """The nondominated medians of an estimator."""
    best = median_curve(records, column).front
    return pd.DataFrame({column: best.evals, "rel_error": best.error, "estimator": name})


def _families(points: pd.DataFrame) -> Iterable[pd.DataFrame]:
    return (own for _, own in points.groupby(points.estimator.map(family_of)))


def _owners(points: pd.DataFrame, column: str) -> list[str]:
    """The owners of the nondominated points, once for each point."""
    if points.empty:
        return []
    kept = moocore.is_nondominated(np.asarray(points[[column, "rel_error"]], dtype=float))
    return [str(name) for name in points.estimator[kept]]
