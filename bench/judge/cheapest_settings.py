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
