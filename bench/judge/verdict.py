"""Does one estimator dominate another? Pure functions from records to a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import moocore
import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from gradpareto.bench.judge.frontier import (
    Attainment,
    Front,
    attained,
    attainment,
    evals_at,
    median_front,
    ranked,
    weighted,
)
from gradpareto.systems import Array

Answer = Literal["dominates", "is dominated", "neither"]

LOOSEST = 1e-2
WEIGHTS = (1.0, 2.0, 3.0)
"""Prices of a vjp, in evaluations of f."""
TARGETS_A_DECADE = 10
TIE = 1e-9


@dataclass(frozen=True)
class Range:
    """From errors `loosest` to `tightest`, `better` needs fewer evaluations ("" for a tie)."""

    loosest: float
    tightest: float
    better: str

    def __str__(self) -> str:
        return f"{self.better or 'neither'} ahead from {self.loosest:.2g} to {self.tightest:.2g}"


@dataclass(frozen=True)
class Verdict:
    """NEW against BASELINE on one problem, at relative errors from `loosest` to `tightest`.

    `ratio` is NEW's evaluations over BASELINE's at matched error: geometric mean over the range
    that both reach, median over samples, with a 95 % bootstrap interval over samples. `epsilon` is
    the multiplicative epsilon indicator: the least factor on both axes by which NEW's median
    frontier would weakly dominate all of BASELINE's points in the range; below 1, it does with room
    to spare. `beaten` of those `points` lie strictly behind NEW's median frontier.
    """

    system: str
    theta: str
    new: str
    baseline: str
    weight: float
    answer: Answer
    loosest: float
    tightest: float
    ranges: tuple[Range, ...]
    ratio: float
    ratio_low: float
    ratio_high: float
    epsilon: float
    beaten: int
    points: int
    samples: int
    samples_dominated: int

    def sentence(self) -> str:
        """The verdict in words."""
        verb = {
            "dominates": f"{self.new} dominates {self.baseline}",
            "is dominated": f"{self.new} is dominated by {self.baseline}",
            "neither": f"neither of {self.new} and {self.baseline} dominates the other",
        }[self.answer]
        span = f"from {self.loosest:.2g} to {self.tightest:.2g}"
        text = f"{self.system} ({self.theta}): {verb}, at relative errors {span}"
        if self.answer == "neither" and any(part.better for part in self.ranges):
            text += ": " + ", ".join(str(part) for part in self.ranges)
        return text + "."


def compare(
    records: pd.DataFrame,
    new: str,
    baseline: str,
    loosest: float = LOOSEST,
    tightest: float | None = None,
    weight: float = 1.0,
) -> Verdict:
    """Judge on the records of one problem, the samples that both were measured on paired.

    At each of a ladder of errors, whoever's median paired ratio of evaluations is below 1 is ahead;
    reaching an error beats never reaching it. One that is ahead somewhere and nowhere behind
    dominates. Raises ValueError if the two have no sample in common.
    """
    priced = weighted(records, weight)
    parts = [priced[priced.estimator == name] for name in (new, baseline)]
    reached = [attainment(part) for part in parts]
    samples = common_samples(*reached)
    if not samples:
        raise ValueError(f"{new} and {baseline} were measured on no common sample")
    targets = ladder(loosest, tightest or common_tightest(loosest, *reached))
    tightest = float(targets[-1])
    ratios = log_ratios(*(attained(one, samples, targets) for one in reached))
    signs = ahead(ratios)
    low, middle, high = _ratio_interval(ratios)
    paired = [ranked(part[part["sample"].isin(samples)]) for part in parts]
    of_new, of_baseline = (median_front(part) for part in paired)
    if 2 * len(reached[0].floored) > len(samples) and len(of_new.error):
        # What NEW needs for errors tighter than its frontier's is not known.
        tightest_known = max(tightest, float(of_new.error[-1]))
    else:
        tightest_known = tightest
    fronts = of_new, _within(of_baseline, loosest, tightest_known)
    first = records.iloc[0]
    return Verdict(
        system=str(first.system),
        theta=str(first.theta),
        new=new,
        baseline=baseline,
        weight=weight,
        answer=answer(signs),
        loosest=loosest,
        tightest=tightest,
        ranges=_ranges(targets, signs, new, baseline),
        ratio=middle,
        ratio_low=low,
        ratio_high=high,
        epsilon=epsilon(*fronts),
        beaten=beaten(*fronts),
        points=len(fronts[1].evals),
        samples=len(samples),
        samples_dominated=sum(answer(ahead(row[None])) == "dominates" for row in ratios),
    )


def judge_all(
    records: pd.DataFrame,
    problems: Sequence[tuple[str, str]],
    new: str,
    baseline: str,
    loosest: float = LOOSEST,
    tightest: float | None = None,
) -> dict[float, list[Verdict]]:
    """The verdict on each problem, for each of WEIGHTS."""
    parts = [
        records[(records.system == system) & (records.theta == theta)] for system, theta in problems
    ]
    return {
        weight: [compare(part, new, baseline, loosest, tightest, weight) for part in parts]
        for weight in WEIGHTS
    }


def ladder(loosest: float, tightest: float, a_decade: int = TARGETS_A_DECADE) -> Array:
    """Errors at which two frontiers are compared, evenly spaced in their logarithm."""
    decades = np.log10(loosest / tightest)
    return np.geomspace(loosest, tightest, max(1, int(np.ceil(a_decade * decades))) + 1)


def log_ratios(new: Array, baseline: Array) -> Array:
    """log(new / baseline) (S, T): -inf only new arrives, inf only baseline, NaN not known."""
    with np.errstate(invalid="ignore"):
        return np.log(new) - np.log(baseline)


def ahead(ratios: Array) -> Array:
    """At each target of ratios (..., S, T): -1 if new is ahead in the median sample, 1 if behind.

    0 for a tie, and where nothing is known.
    """
    middle = np.nan_to_num(median_known(np.swapaxes(ratios, -1, -2)), nan=0.0)
    return np.asarray(np.sign(np.where(np.abs(middle) < TIE, 0.0, middle)))


def median_known(values: Array) -> Array:
    """Over the last axis, of what is not NaN; NaN where nothing is, or half of it is -inf."""
    ordered, count = np.sort(values, axis=-1), (~np.isnan(values)).sum(axis=-1)
    low, high = (
        np.take_along_axis(ordered, np.maximum(place, 0)[..., None], -1)[..., 0]
        for place in ((count - 1) // 2, np.minimum(count // 2, values.shape[-1] - 1))
    )
    with np.errstate(invalid="ignore"):
        middle = np.where(low == high, low, 0.5 * (low + high))
    return np.where(count > 0, middle, np.nan)


def answer(signs: Array) -> Answer:
    better, worse = bool((signs < 0).any()), bool((signs > 0).any())
    if better == worse:
        return "neither"
    return "dominates" if better else "is dominated"


def epsilon(new: Front, baseline: Front) -> float:
    """The least factor on both axes of `new`, interpolated, that reaches `baseline`'s points."""
    if not len(new.evals) or not len(baseline.evals):
        return float("nan")
    fine = ladder(float(new.error[0]), float(new.error[-1]), a_decade=100)
    errors = np.union1d(np.append(fine, new.error), baseline.error)
    evals = evals_at(new, errors)
    reached = np.isfinite(evals)
    curve = np.column_stack([evals[reached], errors[reached]])
    return float(moocore.epsilon_mult(curve, ref=np.column_stack([baseline.evals, baseline.error])))


def beaten(new: Front, baseline: Front) -> int:
    """How many points of `baseline` need more evaluations than `new` does for the same error."""
    if not len(baseline.evals):
        return 0
    return int((evals_at(new, baseline.error) < baseline.evals * (1 - TIE)).sum())


def common_samples(new: Attainment, baseline: Attainment) -> list[int]:
    """The samples that both were measured on."""
    return sorted(new.fronts.keys() & baseline.fronts.keys())


def common_tightest(loosest: float, new: Attainment, baseline: Attainment) -> float:
    """The tightest error that either reaches in the median of the common samples."""
    samples = common_samples(new, baseline)
    return min(new.tightest(samples), baseline.tightest(samples), loosest)


def _ratio_interval(ratios: Array) -> tuple[float, float, float]:
    """Low end, median and high end of the samples' mean ratios; NaN where none is finite."""
    finite = np.isfinite(ratios)
    sums = np.where(finite, ratios, 0).sum(axis=1)[finite.any(axis=1)]
    means = sums / finite.sum(axis=1)[finite.any(axis=1)]
    if not len(means):
        return (float("nan"),) * 3
    middle = float(np.exp(np.median(means)))
    if np.ptp(means) == 0:
        return middle, middle, middle
    interval = bootstrap(
        (means,), np.median, method="percentile", n_resamples=2000, random_state=0
    ).confidence_interval
    return float(np.exp(interval.low)), middle, float(np.exp(interval.high))


def _within(reached: Front, loosest: float, tightest: float) -> Front:
    kept = (reached.error <= loosest) & (reached.error >= tightest * (1 - TIE))
    return Front(reached.evals[kept], reached.error[kept])


def _ranges(targets: Array, signs: Array, new: str, baseline: str) -> tuple[Range, ...]:
    names = {-1.0: new, 0.0: "", 1.0: baseline}
    runs: list[Range] = []
    start = 0
    for sign, group in groupby(signs.tolist()):
        end = start + len(list(group))
        edge = min(end, len(targets) - 1)
        runs.append(Range(float(targets[start]), float(targets[edge]), names[sign]))
        start = end
    return tuple(runs)
