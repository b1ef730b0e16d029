"""The verdict whether one estimator dominates another, from records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pandas as pd

from gradpareto.bench.judge.axes import AXES, EVALS, CostEvidence, cost_evidence
from gradpareto.bench.judge.evidence import RULE, Answer, Evidence, Rule, Standing
from gradpareto.bench.judge.frontier import (
    Attainment,
    attainment,
    comparable,
    median_curve,
    weighted,
)
from gradpareto.bench.judge.indicators import beaten, epsilon, ratio_interval, within
from gradpareto.bench.judge.paired import TIGHTEST, paired_evidence
from gradpareto.bench.judge.pairs import (
    LOOSEST,
    ahead,
    answer,
    compare_pairs,
    ladder,
    mean_log_ratios,
)
from gradpareto.bench.judge.ranges import Range, ranges
from gradpareto.bench.judge.stalled import stops_at
from gradpareto.bench.judge.wording import listed
from gradpareto.systems import Array

WEIGHTS = (1.0, 2.0, 3.0)
"""Prices of a vjp, in evaluations of f."""


class NothingToCompare(ValueError):  # noqa: N818
    """The true gradient of every sample is zero, so no error is relative to it."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        named = ", ".join(f"{system} ({theta})" for system, theta in problems)
        super().__init__(
            f"{named}: the true gradient of every sample is zero, so there is nothing to compare"
        )


@dataclass(frozen=True)
class Verdict:
    """The verdict on NEW against BASELINE on one problem, between two relative errors.

    `ratio` is NEW's evaluations over BASELINE's at matched error: geometric mean over the range
    that both reach, median over samples, with a 95 % bootstrap interval over samples. `epsilon` is
    the multiplicative epsilon indicator: the least factor on both axes by which NEW's median curve
    would weakly dominate all points of BASELINE's median front in the range; below 1, it does with
    room to spare. `beaten` of those `points` lie strictly behind NEW's median curve. `unknown` says
    why nothing is known of the two at any error of the range, else "". `evidence` has what
    simultaneous tests say of the two's evaluations, and `costs` what is found on the other `axes`
    that the answer is on. `stops_at` is the error at which NEW's no longer falls with its settings,
    or None.
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
    unknown: str = ""
    evidence: str = ""
    axes: tuple[str, ...] = (EVALS,)
    costs: tuple[CostEvidence, ...] = ()
    stops_at: float | None = None

    def sentence(self) -> str:
        """Return the verdict in words."""
        if self.unknown:
            return f"{self.system} ({self.theta}): no verdict, since {self.unknown}."
        verb = {
            "dominates": f"{self.new} dominates {self.baseline}",
            "is dominated": f"{self.new} is dominated by {self.baseline}",
            "neither": f"neither of {self.new} and {self.baseline} dominates the other",
            "tied": f"{self.new} and {self.baseline} are tied",
            "not enough evidence": f"not enough is known of {self.new} against {self.baseline}",
        }[self.answer]
        span = f"from {self.loosest:.2g} to {self.tightest:.2g}"
        text = f"{self.system} ({self.theta}): {verb}{self._on()}, at relative errors {span}"
        if self.axes != (EVALS,):
            return text + "."
        if self.answer == "neither" and any(part.better for part in self.ranges):
            text += ": " + ", ".join(str(part) for part in self.ranges)
        if self.answer == "not enough evidence":
            text += f": {self.evidence}"
        return text + "."

    def _on(self) -> str:
        """Name the costs that the answer is on, if they are not evaluations alone."""
        if self.axes == (EVALS,):
            return ""
        labels = ["evaluations" if axis == EVALS else AXES[axis].label for axis in self.axes]
        return f" on {listed(labels)}{' together' * (len(labels) > 1)}"


def compare(
    records: pd.DataFrame,
    new: str,
    baseline: str,
    loosest: float = LOOSEST,
    tightest: float | None = None,
    weight: float = 1.0,
    axes: Sequence[str] = (EVALS,),
    rule: Rule = RULE,
) -> Verdict:
    """Judge whether NEW dominates BASELINE, on the records of one problem.

    The samples that both were measured on are paired, at errors from `loosest` to `tightest`, by
    default the tightest that either reaches. `weight` is the price of a vector-Jacobian product in
    evaluations of f. On several `axes`, EVALS or of AXES, NEW dominates if it is nowhere behind on
    any and ahead on some. Samples whose true gradient is zero decide nothing; raises
    NothingToCompare if there are no others. Raises ValueError for records of several problems, for
    an estimator without records, and for two that have no sample in common.
    """
    _check_one_problem(records)
    priced = weighted(comparable(records), weight)
    parts = [_own(priced, name) for name in (new, baseline)]
    reached = [attainment(part) for part in parts]
    samples = _common(reached, new, baseline)
    pairs = compare_pairs(reached, samples, loosest, tightest)
    of_new, of_baseline = (part[part["sample"].isin(samples)] for part in parts)
    floored = 2 * len(reached[0].floored) > len(samples)
    verdict = _verdict(
        of_new, of_baseline, pairs.targets[0, 1], pairs.log_ratios[0, 1], weight, floored
    )
    errors = ladder(loosest, tightest or TIGHTEST)
    found = paired_evidence(priced, new, baseline, errors, rule)
    if np.isnan(pairs.log_ratios[0, 1]).all() and found.answer in ("tied", "not enough evidence"):
        return replace(verdict, unknown=_why_unknown(verdict, reached))
    judged = errors[errors >= verdict.tightest]
    costs = [
        cost_evidence(priced, new, baseline, axis, judged, rule) for axis in axes if axis in AXES
    ]
    verdict = replace(verdict, axes=tuple(axes), costs=tuple(costs), stops_at=stops_at(parts[0]))
    return _with_evidence(verdict, found, errors)


def _common(reached: Sequence[Attainment], new: str, baseline: str) -> list[int]:
    """Return the samples that two were measured on. Raises ValueError if there are none."""
    samples = sorted(reached[0].curves.keys() & reached[1].curves.keys())
    if not samples:
        raise ValueError(f"{new} and {baseline} were measured on no common sample")
    return samples


def _with_evidence(verdict: Verdict, found: Evidence, errors: Array) -> Verdict:
    """Return the verdict with the answer of the evidence at errors (T,), and what it rests on."""
    standings = [found.standing] * (EVALS in verdict.axes) + [one.standing for one in verdict.costs]
    judged = errors[: found.targets]
    signs = found.behind.astype(int) - found.ahead.astype(int)
    return replace(
        verdict,
        answer=reduce(Standing.together, standings).answer,
        tightest=max([verdict.tightest, *judged[-1:].tolist()]),
        ranges=ranges(judged, signs, verdict.new, verdict.baseline) if found.targets else (),
        evidence=found.sentence(verdict.new, verdict.baseline),
    )


def _why_unknown(verdict: Verdict, reached: Sequence[Attainment]) -> str:
    """Return why nothing is known of two estimators at any of the errors."""
    pair = zip((verdict.new, verdict.baseline), reached, strict=True)
    exact = [name for name, own in pair if own.only_floored]
    if exact:
        return (
            f"every error of {' and of '.join(exact)} is at the reference's floor or exactly zero, "
            "where estimators are not told apart"
        )
    if any(own.floored for own in reached):
        return "one of the two has errors at the reference's floor wherever the other is known"
    return f"neither of the two reaches a relative error of {verdict.loosest:.2g}"


def _verdict(
    new: pd.DataFrame,
    baseline: pd.DataFrame,
    targets: Array,
    log_ratios: Array,
    weight: float,
    floored: bool,
) -> Verdict:
    """Return the verdict from paired records, errors (T,) and log ratios (S, T).

    In most samples of NEW, if it is `floored`, there are errors below the reference's floor.
    """
    first, other = new.iloc[0], baseline.iloc[0]
    loosest, tightest = float(targets[0]), float(targets[-1])
    low, middle, high = ratio_interval(mean_log_ratios(log_ratios))
    curve, rival = median_curve(new), median_curve(baseline).front
    # What NEW needs for errors tighter than its curve's is not known if it is floored.
    known = max(tightest, curve.error.min()) if floored and len(curve.error) else tightest
    rival = within(rival, loosest, known)
    return Verdict(
        system=str(first.system),
        theta=str(first.theta),
        new=str(first.estimator),
        baseline=str(other.estimator),
        weight=weight,
        answer="not enough evidence",
        loosest=loosest,
        tightest=tightest,
        ranges=(),
        ratio=middle,
        ratio_low=low,
        ratio_high=high,
        epsilon=epsilon(curve, rival),
        beaten=beaten(curve, rival),
        points=len(rival.evals),
        samples=len(log_ratios),
        samples_dominated=sum(answer(ahead(row[None])) == "dominates" for row in log_ratios),
    )


def nothing_to_compare(records: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the problems among the records of which every sample's true gradient is zero."""
    measured, left = (
        dict.fromkeys(zip(part.system, part.theta, strict=True))
        for part in (records, comparable(records))
    )
    return [problem for problem in measured if problem not in left]


def judge_all(
    records: pd.DataFrame,
    problems: Sequence[tuple[str, str]],
    new: str,
    baseline: str,
    loosest: float = LOOSEST,
    tightest: float | None = None,
    axes: Sequence[str] = (EVALS,),
    rule: Rule = RULE,
) -> dict[float, list[Verdict]]:
    """Judge NEW against BASELINE on each problem, for each of WEIGHTS, as `compare` does."""
    parts = [
        records[(records.system == system) & (records.theta == theta)] for system, theta in problems
    ]
    how = (loosest, tightest)
    return {
        weight: [compare(part, new, baseline, *how, weight, axes, rule) for part in parts]
        for weight in WEIGHTS
    }


def _check_one_problem(records: pd.DataFrame) -> None:
    """Raise ValueError unless all records are of one problem, on which something can be judged."""
    found = dict.fromkeys(zip(records.system, records.theta, strict=True))
    if len(found) != 1:
        named = ", ".join(f"{system} ({theta})" for system, theta in found) or "none"
        raise ValueError(f"a verdict is on the records of one problem, and these are of: {named}")
    if empty := nothing_to_compare(records):
        raise NothingToCompare(empty)


def _own(records: pd.DataFrame, estimator: str) -> pd.DataFrame:
    """Return the records of one estimator."""
    own = records[records.estimator == estimator]
    if own.empty:
        known = ", ".join(dict.fromkeys(records.estimator))
        raise ValueError(f"there is no record of {estimator!r}, but of: {known}")
    return own
