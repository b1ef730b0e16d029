"""The settings of a run that reach an error with the fewest evaluations."""

from collections.abc import Iterable

import pandas as pd

from gradpareto.bench.judge.frontier import median_points
from gradpareto.bench.judge.table import cheapest

COLUMNS = ["system", "theta", "error", "estimator", "setting", "evals"]


def cheapest_settings(records: pd.DataFrame, errors: Iterable[float]) -> pd.DataFrame:
    """Return a row for each error that the median sample of an estimator reaches on a problem.

    The setting was measured, and of those whose median error is at most the error it needs the
    fewest median evaluations. The records are `comparable` ones.
    """
    rows, targets = [], list(errors)
    for (system, theta, estimator), own in records.groupby(["system", "theta", "estimator"]):
        points = median_points(own)
        for error in targets:
            best = cheapest(points, error)
            if best is not None:
                rows.append((system, theta, error, estimator, best.name, best.evals))
    return pd.DataFrame(rows, columns=COLUMNS)


def untraced_settings(
    records: pd.DataFrame, errors: Iterable[float], most_evals: float
) -> pd.DataFrame:
    """Return a row for each setting whose memory was not traced and is asked for.

    It is the cheapest with which an estimator reaches an error on a problem, or the next that takes
    more evaluations, since half of the samples may need that one. A sample takes at most
    `most_evals` evaluations. The records are `comparable` ones.
    """
    rows, targets = [], list(errors)
    for (system, theta, estimator), own in records.groupby(["system", "theta", "estimator"]):
        points = median_points(own).sort_values("evals")
        lacking = set(own.setting[own.stored_bytes.isna()])
        asked = set()
        for error in targets:
            best = cheapest(points, error)
            if best is not None:
                asked |= set(points.index[points.evals >= best.evals][:2])
        few = points[(points.evals <= most_evals) & points.index.isin(asked & lacking)]
        rows += [(system, theta, estimator, *pair) for pair in few.evals.items()]
    return pd.DataFrame(rows, columns=["system", "theta", "estimator", "setting", "evals"])
