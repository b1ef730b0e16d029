"""Indicators of how far one frontier lies beyond another, and by how much in the median."""

import moocore
import numpy as np

from gradpareto.bench.judge.frontier import Curve, Front, evals_at
from gradpareto.bench.judge.medians import median_known
from gradpareto.bench.judge.pairs import TIE, ladder
from gradpareto.systems import Array

RESAMPLES = 2000
"""The number of times that the samples are drawn anew, with replacement, for an interval."""


def epsilon(new: Curve, baseline: Front) -> float:
    """Return the least factor on both axes with which `new`, interpolated, reaches `baseline`."""
    if not len(new.evals) or not len(baseline.evals):
        return float("nan")
    fine = ladder(float(new.error.max()), float(new.error.min()), a_decade=100)
    errors = np.union1d(np.append(fine, new.error), baseline.error)
    evals = evals_at(new, errors)
    reached = np.isfinite(evals)
    curve = np.column_stack([evals[reached], errors[reached]])
    return float(moocore.epsilon_mult(curve, ref=np.column_stack([baseline.evals, baseline.error])))


def beaten(new: Curve, baseline: Front) -> int:
    """Count the points of `baseline` that need more evaluations than `new` at the same error."""
    if not len(baseline.evals):
        return 0
    return int((evals_at(new, baseline.error) < baseline.evals * (1 - TIE)).sum())


def within(reached: Front, loosest: float, tightest: float) -> Front:
    """Return the points of a front with errors from `loosest` to `tightest`."""
    kept = (reached.error <= loosest) & (reached.error >= tightest * (1 - TIE))
    return Front(reached.evals[kept], reached.error[kept])


def ratio_interval(means: Array) -> tuple[float, float, float]:
    """Return the low end, median and high end of exp of the samples' means (S,).

    The ends are a 95 % percentile bootstrap's. Where no mean is known, all three are NaN.
    """
    means = means[~np.isnan(means)]
    if not len(means):
        return (float("nan"),) * 3
    middle = float(np.exp(median_known(means)))
    if np.ptp(means) == 0:
        return middle, middle, middle
    drawn = np.random.RandomState(0).randint(0, len(means), (RESAMPLES, len(means)))
    low, high = np.percentile(np.median(means[drawn], axis=1), [2.5, 97.5])
    return float(np.exp(low)), middle, float(np.exp(high))
