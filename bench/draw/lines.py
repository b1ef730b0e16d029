"""Computes the lines of a figure: an estimator's curve, and the quadrature limit."""

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import Curve
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


def median_limit(limit: pd.DataFrame, floor: float) -> pd.Series:
    """Return the median sample's error at each number of vjps, as far down as the floor."""
    curves = limit.pivot(index="vjps", columns="sample", values="rel_error").ffill()
    curve = curves.fillna(np.inf).median(axis=1)
    reached = curve.shift(1, fill_value=np.inf) <= floor
    return pd.Series(curve[np.isfinite(curve) & ~reached].clip(lower=floor))
