"""Fits power laws to costs: evaluations by accuracy, and stored bytes by steps."""

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

from gradpareto.bench.judge.evidence import ranks
from gradpareto.bench.judge.frontier import (
    NO_ESTIMATE,
    ORDER_BELOW,
    at_floor,
    comparable,
    deciding,
    median_points,
)
from gradpareto.systems import Array

COLUMNS = ["system", "theta", "estimator", "law", "exponent", "low", "high", "points"]
ACCURACY, MEMORY = "evaluations by 1/error", "stored bytes by steps"
LEAST_POINTS = 3
TAIL = 0.025
"""The share of draws in which the true exponent is beyond one end of an interval."""


def scaling(records: pd.DataFrame) -> pd.DataFrame:
    """Fit power laws of each estimator on each problem, in rows of COLUMNS.

    The exponent of ACCURACY is the median over samples of the slopes of log evaluations over
    log 1/error, below an error of ORDER_BELOW and above the reference's floor: a method of order p
    has 1/p. Its interval is that of order statistics, and NaN for fewer than six samples; `points`
    are samples. The exponent of MEMORY is the slope of log stored bytes over log steps: 1 where
    every step is stored, and 0 where a number of them is that does not grow. Its interval is by the
    residuals, and `points` are settings. Laws without LEAST_POINTS have no row.
    """
    rows = []
    groups = comparable(records).groupby(["system", "theta", "estimator"], sort=True)
    for key, own in groups:
        rows += [
            (*key, law, *found)
            for law, found in ((ACCURACY, _accuracy(own)), (MEMORY, _memory(own)))
            if found is not None
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _accuracy(records: pd.DataFrame) -> tuple[float, float, float, int] | None:
    slopes = []
    seen = deciding(records)
    for _, own in seen[seen.rel_error < ORDER_BELOW].groupby("sample"):
        if own.evals.nunique() >= LEAST_POINTS and own.rel_error.nunique() >= LEAST_POINTS:
            slopes.append(linregress(-np.log(own.rel_error), np.log(own.evals)).slope)
    if not slopes:
        return None
    ordered, k = np.sort(slopes), int(ranks(TAIL)[len(slopes)])
    low, high = (ordered[k - 1], ordered[-k]) if k else (np.nan, np.nan)
    return float(np.median(ordered)), float(low), float(high), len(slopes)


def _memory(records: pd.DataFrame) -> tuple[float, float, float, int] | None:
    finished = records[(records.status == "ok") & ~at_floor(records)]
    steps = finished.groupby("setting").steps.median()
    points = median_points(finished).join(steps)
    points = points[(points.stored_bytes > 0) & (points.rel_error <= NO_ESTIMATE)]
    if points.steps.nunique() < LEAST_POINTS:
        return None
    x, y = (np.log(points[name].to_numpy(float)) for name in ("steps", "stored_bytes"))
    fit = linregress(x, y)
    reach = float(t.ppf(1 - TAIL, len(x) - 2) * fit.stderr)
    return float(fit.slope), float(fit.slope - reach), float(fit.slope + reach), len(x)


def scaling_markdown(table: pd.DataFrame) -> str:
    """Write the exponents in Markdown: a row for each estimator and law, a column a problem."""
    cells = table.assign(
        problem=table.system + " (" + table.theta + ")",
        text=[_cell(row) for row in table[["exponent", "low", "high"]].to_numpy()],
    ).pivot(index=["law", "estimator"], columns="problem", values="text")
    return cells.fillna("").reset_index().to_markdown(index=False, disable_numparse=True) + "\n"


def _cell(row: Array) -> str:
    exponent, low, high = row
    return f"{exponent:.2f}" + ("" if np.isnan(low) else f" ({low:.2f} to {high:.2f})")
