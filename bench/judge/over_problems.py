"""Sums up verdicts over problems: how often one estimator needs fewer evaluations, and how many.

The presets of one system are not independent of each other, so that intervals draw whole systems
(a cluster bootstrap; Davison and Hinkley 1997, Bootstrap Methods and their Application, 3.8).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradpareto.bench.judge.verdict import Verdict
from gradpareto.systems import Array

DRAWN = 10_000
LEAST_SYSTEMS = 3
"""An interval says nothing about fewer systems than this."""


@dataclass(frozen=True)
class OverProblems:
    """NEW against BASELINE over problems: the share on which it needs fewer evaluations, the ratio.

    `ratio` is the geometric mean of the problems' ratios; both have 95 % intervals, which are NaN
    for fewer than LEAST_SYSTEMS systems.
    """

    problems: int
    systems: int
    fewer: float
    fewer_low: float
    fewer_high: float
    ratio: float
    ratio_low: float
    ratio_high: float

    def sentence(self, new: str, baseline: str) -> str:
        """Say it in words."""
        text = (
            f"Over {self.problems} problems of {self.systems} systems, {new} needs fewer "
            f"evaluations than {baseline} on {100 * self.fewer:.0f} %"
        )
        times = f"{self.ratio:.3g} times as many in the geometric mean"
        if self.systems < LEAST_SYSTEMS:
            return f"{text}, and {times}."
        share = f"{100 * self.fewer_low:.0f} to {100 * self.fewer_high:.0f} %"
        return (
            f"{text} ({share}), and {times} ({self.ratio_low:.3g} to {self.ratio_high:.3g}; 95 %, "
            "bootstrap over systems)."
        )


def over_problems(verdicts: Sequence[Verdict]) -> OverProblems | None:
    """Sum up verdicts on the same two estimators; None unless several of them have a ratio."""
    known = [one for one in verdicts if np.isfinite(one.ratio)]
    if len(known) < 2:
        return None
    return summed(np.log([one.ratio for one in known]), [one.system for one in known])


def summed(log_ratios: Array, systems: Sequence[str]) -> OverProblems:
    """Sum up log ratios (N,) of problems, each of a system."""
    names = list(dict.fromkeys(systems))
    place = np.array([names.index(system) for system in systems])
    count = np.bincount(place)
    sums = np.stack([np.bincount(place, log_ratios), np.bincount(place, log_ratios < 0)])
    mean, fewer = sums.sum(axis=1) / len(log_ratios)
    ends = np.full((2, 2), np.nan)
    if len(names) >= LEAST_SYSTEMS:
        drawn = np.random.default_rng(0).integers(0, len(names), (DRAWN, len(names)))
        means = sums[:, drawn].sum(axis=2) / count[drawn].sum(axis=1)
        ends = np.percentile(means, [2.5, 97.5], axis=1)
    return OverProblems(
        len(log_ratios),
        len(names),
        *(float(fewer), float(ends[0, 1]), float(ends[1, 1])),
        *(float(np.exp(mean)), float(np.exp(ends[0, 0])), float(np.exp(ends[1, 0]))),
    )
