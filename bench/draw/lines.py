"""Computes the lines of a figure: an estimator's curve, and the quadrature limit."""

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import NO_ESTIMATE, Curve, at_floor, median_points
from gradpareto.systems import Array


def line(curve: Curve, floor: float) -> tuple[Array, Array]:
    """Return the costs and errors of a curve as a plot takes them, with NaN where it is broken.

    Points below the floor are left out, and the line is broken there as well.
    """
    shown = np.flatnonzero(curve.error >= floor)
    broken = 1 + np.flatnonzero((np.diff(shown) > 1) | ~curve.joined[shown[:-1]])
    return (
        np.insert(curve.evals[shown], broken, np.nan),
        np.insert(curve.error[shown], broken, np.nan),
    )


def band(records: pd.DataFrame, cost: str, floor: float) -> tuple[Array, Array, Array]:
    """Return the costs, and the quartiles of the samples' errors, at an estimator's settings.

    The costs are medians, in the order of the settings, and NaN where the band is broken: at a
    setting whose median is no estimate or is below the floor. A failure's error is infinite, and
    errors below the floor are drawn at it.
    """
    decided = records[~at_floor(records)]
    points = median_points(decided).sort_index(ascending=False)
    errors = decided.rel_error.where(decided.status == "ok", np.inf)
    quartiles = errors.groupby(decided.setting).quantile(
        np.array([0.25, 0.75]), interpolation="nearest"
    )
    low, high = quartiles.unstack().reindex(points.index).to_numpy().T
    seen = points.rel_error.between(floor, NO_ESTIMATE) & (points[cost] > 0)
    x = np.where(seen, points[cost], np.nan)
    return x, np.maximum(low, floor), np.maximum(high, floor)


def median_limit(limit: pd.DataFrame, floor: float) -> pd.Series:
    """Return the median sample's error at each number of vjps, as far down as the floor."""
    curves = limit.pivot(index="vjps", columns="sample", values="rel_error").ffill()
    curve = curves.fillna(np.inf).median(axis=1)
    reached = curve.shift(1, fill_value=np.inf) <= floor
    return pd.Series(curve[np.isfinite(curve) & ~reached].clip(lower=floor))
