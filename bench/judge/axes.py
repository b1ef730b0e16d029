"""Costs other than evaluations: bytes, of which a batch has one number, and time, an interval.

Bytes are counted exactly, so that two estimators are compared by their medians with the margin
alone. A wall time has the spread of its repeats: NEW is not behind where even its longest time is
within the margin of BASELINE's shortest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradpareto.bench.judge.evidence import RULE, UNDECIDED, Rule, Standing
from gradpareto.bench.judge.frontier import (
    at_floor,
    comparable,
    curve,
    evals_at,
    median_points,
)
from gradpareto.bench.judge.paired import reference_floors
from gradpareto.systems import Array


@dataclass(frozen=True)
class Axis:
    """A cost: its column among the medians, that of its spread ("" if it has none), its name."""

    column: str
    spread: str
    label: str


EVALS = "evals"
AXES: Mapping[str, Axis] = {
    "stored": Axis("stored_bytes", "", "stored bytes"),
    "peak": Axis("peak_bytes", "", "peak bytes"),
    "time": Axis("wall_ratio", "wall_ratio_spread", "wall time"),
}
"""The costs beside EVALS."""


@dataclass(frozen=True)
class CostEvidence:
    """NEW against BASELINE on one cost, at `targets` errors, at some of which it is known.

    `ratio` is the geometric mean of NEW's cost over BASELINE's where both are known, else NaN.
    """

    axis: str
    standing: Standing
    targets: int
    ahead: int
    behind: int
    ratio: float

    def sentence(self, new: str) -> str:
        """Say what was found on this cost."""
        label = AXES[self.axis].label
        if not self.targets:
            return f"{label}: not measured at any common error"
        at = f"ahead at {self.ahead} and behind at {self.behind} of {self.targets} errors"
        return f"{label}: {new} is {at}, and takes {self.ratio:.3g} times as much"


def cost_evidence(
    records: pd.DataFrame,
    new: str,
    baseline: str,
    axis: str,
    errors: Array,
    rule: Rule = RULE,
) -> CostEvidence:
    """Judge NEW against BASELINE on one of AXES, at target errors (T,) from loose to tight.

    The records are those of one problem. An error that an estimator reaches at settings whose cost
    was not measured decides nothing.
    """
    records = comparable(records)
    samples = sorted(records["sample"].unique().tolist())
    floor = pd.Series(reference_floors(records, samples)).median()  # NaN if none is known
    of_new, of_baseline = (
        _needed(records[records.estimator == name], AXES[axis], errors) for name in (new, baseline)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        upper = np.log(of_new[1]) - np.log(of_baseline[0])
        lower = np.log(of_new[0]) - np.log(of_baseline[1])
    neither = np.isinf(of_new[0]) & np.isinf(of_baseline[0])
    upper, lower = np.where(neither, 0.0, upper), np.where(neither, 0.0, lower)
    known = ~np.isnan(upper) & ~np.isnan(lower) & (errors >= floor) & ~neither
    if not known.any():
        return CostEvidence(axis, UNDECIDED, 0, 0, 0, float("nan"))
    upper, lower, edge = upper[known], lower[known], rule.edge
    standing = Standing(
        not_behind=bool((upper <= edge).all()),
        not_ahead=bool((lower >= -edge).all()),
        ahead=bool((upper < -edge).any()),
        behind=bool((lower > edge).any()),
    )
    middle = (upper + lower) / 2
    finite = middle[np.isfinite(middle)]
    ratio = float(np.exp(finite.mean())) if len(finite) else float("nan")
    counts = int((upper < -edge).sum()), int((lower > edge).sum())
    return CostEvidence(axis, standing, int(known.sum()), *counts, ratio)


def _needed(records: pd.DataFrame, axis: Axis, errors: Array) -> tuple[Array, Array]:
    """Return the least and the most (T,) that an estimator's cost may be for each target error.

    They are inf where it never arrives, and NaN where the cost at which it does is not known.
    """
    points, floored = median_points(records), at_floor(records).groupby(records.setting).mean()
    setting, error = points.index.to_numpy(dtype=float), points.rel_error.to_numpy(dtype=float)
    cost = points[axis.column].to_numpy(dtype=float)
    half = points[axis.spread].to_numpy(dtype=float) / 2 if axis.spread else np.zeros(len(cost))
    arrives = evals_at(curve(setting, points.evals.to_numpy(dtype=float), error), errors)
    at = floored.reindex(points.index).to_numpy(dtype=float) > 0.5
    found = []
    for end in (np.maximum(cost - half, 0.1 * cost), cost + half):
        reached = evals_at(curve(setting, end, error), errors)
        reached = np.fmin(reached, np.min(end[at & (end > 0)], initial=np.inf))
        found.append(np.where(np.isinf(reached) & np.isfinite(arrives), np.nan, reached))
    return found[0], found[1]
