"""Indicators of how far one frontier lies beyond another."""

import moocore
import numpy as np

from gradpareto.bench.judge.frontier import Curve, Front, evals_at
from gradpareto.bench.judge.pairs import TIE, ladder


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
