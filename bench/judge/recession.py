"""Has an estimator's frontier receded since a run was published?

Counts are deterministic, so no statistics are needed. The published frontier is held against the
curve through today's settings, so that a setting which moved along the frontier is no regression.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import Curve, at_floor, comparable, evals_at, median_curve

GRID = 4_000
"""The factors among which the smallest one is sought, evenly spaced in their logarithm."""
MOST = 1e3
"""The largest factor that is told from never."""


@dataclass(frozen=True)
class Recession:
    """An estimator on a problem, and how far its frontier has receded.

    `factor` is the multiplicative epsilon (Zitzler et al. 2003): each published point is reached
    again if its error and its evaluations may both be larger by this factor. It is 1 where nothing
    has receded, and infinite beyond MOST. `error` and `evals` are of the point that needs it.
    """

    system: str
    theta: str
    estimator: str
    factor: float
    error: float
    evals: float

    def sentence(self) -> str:
        """Say how far it has receded."""
        where = f"{self.system} ({self.theta}), {self.estimator}"
        point = f"a relative error of {self.error:.2g} in {self.evals:,.0f} evaluations"
        if np.isinf(self.factor):
            return f"{where}: {point} is not reached any more"
        return f"{where}: {point} takes {self.factor:.3g} times both"


def recessions(published: pd.DataFrame, today: pd.DataFrame) -> list[Recession]:
    """Compare each estimator's frontier in `published` records with its curve in those of `today`.

    Only what both have is compared. Raises ValueError if there is nothing.
    """
    key, found = ["system", "theta", "estimator"], []
    groups = dict(list(comparable(today).groupby(key)))
    for names, old in comparable(published).groupby(key, sort=False):
        if names in groups:
            system, theta, estimator = map(str, names)
            point = _farthest(median_curve(old), groups[names])
            found.append(Recession(system, theta, estimator, *point))
    if not found:
        raise ValueError("no estimator on a problem is in both runs")
    return found


def _farthest(old: Curve, today: pd.DataFrame) -> tuple[float, float, float]:
    """Return the factor of the published point that has receded the most, its error and evals."""
    new, front = median_curve(today), old.front
    factors = np.geomspace(1, MOST, GRID)
    floor = _floor_evals(today)
    worst = (1.0, np.nan, np.nan)
    for error, evals in zip(front.error, front.evals, strict=True):
        needed = np.minimum(evals_at(new, error * factors), floor)
        enough = np.flatnonzero(needed <= evals * factors * (1 + 1e-12))
        factor = float(factors[enough[0]]) if len(enough) else np.inf
        if factor > worst[0] or np.isnan(worst[1]):
            worst = (factor, float(error), float(evals))
    return worst


def _floor_evals(today: pd.DataFrame) -> float:
    """Return the fewest median evaluations of a setting whose errors are at the reference's floor.

    Such a setting is as accurate as can be told, and reaches every published error.
    """
    floored = today[at_floor(today)]
    if floored.empty:
        return np.inf
    return float(floored.groupby("setting").evals.median().min())
