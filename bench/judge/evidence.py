"""Simultaneous evidence that one estimator dominates another, on paired samples.

`log_ratios` (S, T) are log(evaluations of NEW / those of BASELINE) of S samples at T target errors:
-inf where NEW alone arrives, +inf where BASELINE alone does, 0 where neither does, and NaN where
the reference cannot tell. Two statements are made, each of which is wrong in at most `alpha` of all
comparisons, whatever the number of targets:

- NEW is nowhere behind by more than a margin. At each target the median of the samples is bounded
  from above by an order statistic, and all of the bounds hold together, since each has to hold for
  the statement (an intersection-union test; Berger 1982, Technometrics 24:295).
- NEW is ahead somewhere. The sums of signs at all targets are compared with the largest that arises
  if each sample's signs are flipped together, at random (the maximum's distribution; Westfall and
  Young 1993; Romano and Wolf 2005, Econometrica 73:1237).
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy.stats import binom

from gradpareto.systems import Array

ALPHA, MARGIN = 0.05, 0.02
LEAST_SAMPLES = 6
"""Fewer samples decide nothing: five signs that agree arise by chance more often than ALPHA."""
MOST_LOST = 0.1
"""The share of samples that an estimator may lose, where the other arrives, and still dominate."""
ALL_FLIPS, DRAWN_FLIPS, SEED = 16, 10_000, 20219
"""Up to ALL_FLIPS samples every flip of signs is made. For more samples, DRAWN_FLIPS are drawn."""
COLUMNS_AT_ONCE = 1000
MOST_SAMPLES = 4096
"""More samples than that are not said to be enough."""

Answer = Literal["dominates", "is dominated", "neither", "tied", "not enough evidence"]


@dataclass(frozen=True)
class Rule:
    """The share `alpha` of comparisons in which a statement may be wrong, and the `margin`.

    Evaluations that differ by less than the margin, a share of them, are alike.
    """

    alpha: float = ALPHA
    margin: float = MARGIN

    @property
    def edge(self) -> float:
        """The margin as a log ratio."""
        return float(np.log1p(self.margin))


RULE = Rule()


@dataclass(frozen=True)
class Standing:
    """The statements on NEW against BASELINE that an answer is made of, on one cost or on several.

    NEW may be certainly `not_behind` by more than the margin, certainly `not_ahead`, and `ahead` or
    `behind` at some target error. Too many samples may be lost for it to dominate: it never arrives
    on them, and BASELINE does; or too many may be lost by BASELINE for NEW to be dominated.
    """

    not_behind: bool
    not_ahead: bool
    ahead: bool
    behind: bool
    too_many_lost: bool = False
    too_many_lost_by_baseline: bool = False

    @property
    def answer(self) -> Answer:
        if self.not_behind and self.ahead and not self.behind and not self.too_many_lost:
            return "dominates"
        mirrored = self.not_ahead and self.behind and not self.ahead
        if mirrored and not self.too_many_lost_by_baseline:
            return "is dominated"
        if self.ahead and self.behind:
            return "neither"
        return "tied" if self.not_behind and self.not_ahead else "not enough evidence"

    def together(self, other: "Standing") -> "Standing":
        """Return the standing on both costs: nowhere behind on either, ahead somewhere on one."""
        return Standing(
            self.not_behind and other.not_behind,
            self.not_ahead and other.not_ahead,
            self.ahead or other.ahead,
            self.behind or other.behind,
            self.too_many_lost or other.too_many_lost,
            self.too_many_lost_by_baseline or other.too_many_lost_by_baseline,
        )


UNDECIDED = Standing(not_behind=False, not_ahead=False, ahead=False, behind=False)


@dataclass(frozen=True)
class Evidence:
    """The standing of NEW against BASELINE, and the tests that it rests on.

    The tests are at the first `targets` of the errors. `upper` and `lower` (T,) are the bounds of
    the median log ratio, and `ahead` and `behind` (T,) say where it is significantly below and
    above 0. `lost` are the samples on which NEW never arrives and BASELINE does. `samples_needed`
    would probably decide it, if they are like these; None if it is decided, or if no number would.
    """

    standing: Standing
    samples: int
    targets: int
    upper: Array
    lower: Array
    ahead: Array
    behind: Array
    lost: tuple[int, ...]
    samples_needed: int | None

    @property
    def answer(self) -> Answer:
        return self.standing.answer

    def sentence(self, new: str, baseline: str) -> str:
        """Say what the answer rests on, and how many samples would probably decide."""
        rests = f"ahead at {self.ahead.sum()} and behind at {self.behind.sum()} of {self.targets}"
        text = f"{new} is {rests} errors, on {self.samples} samples"
        if self.lost:
            text += f", and loses {len(self.lost)} samples on which {baseline} arrives"
        if self.answer == "not enough evidence" and self.samples < LEAST_SAMPLES:
            text += f"; fewer than {LEAST_SAMPLES} never decide"
        elif self.answer == "not enough evidence" and self.samples_needed:
            text += f"; {self.samples_needed} samples like these would probably decide"
        return text


def evidence(log_ratios: Array, rule: Rule = RULE, critical: float | None = None) -> Evidence:
    """Judge NEW against BASELINE from log ratios (S, T), from loose targets to tight ones.

    `critical` is the sum of signs beyond which NEW is ahead, by default this pair's own.
    """
    known = (~np.isnan(log_ratios)).sum(axis=0) >= LEAST_SAMPLES
    targets = len(known) if known.all() else int(np.argmin(known))
    d, edge = log_ratios[:, :targets], rule.edge
    upper, lower = upper_bounds(d, rule.alpha), -upper_bounds(-d, rule.alpha)
    own = signs(d, edge)
    sums = own.sum(axis=0)
    if critical is None:
        critical = critical_value(own, rule.alpha)
    ahead, behind = -sums > critical, sums > critical
    lost = tuple(np.flatnonzero((d == np.inf).any(axis=1) & ~(d < np.inf).any(axis=1)).tolist())
    lost_by_baseline = int(((d == -np.inf).any(axis=1) & ~(d > -np.inf).any(axis=1)).sum())
    standing = UNDECIDED
    if targets:
        standing = Standing(
            not_behind=bool((upper <= edge).all()),
            not_ahead=bool((lower >= -edge).all()),
            ahead=bool(ahead.any()),
            behind=bool(behind.any()),
            too_many_lost=len(lost) > MOST_LOST * len(d),
            too_many_lost_by_baseline=lost_by_baseline > MOST_LOST * len(d),
        )
    needed = None
    if standing.answer == "not enough evidence":
        needed = samples_needed(d, critical, rule) if targets else LEAST_SAMPLES
    return Evidence(standing, len(d), targets, upper, lower, ahead, behind, lost, needed)


@cache
def ranks(alpha: float, most: int = MOST_SAMPLES) -> Array:
    """Return, for n = 0 to `most`, the largest k with P(Bin(n, 1/2) <= k - 1) <= alpha.

    It is 0 if there is none. The k-th largest of n samples is above their median in all but alpha
    of all draws.
    """
    samples = np.arange(most + 1)
    # The quantile is the least j with P(Bin <= j) >= alpha, so k is j, or j + 1 where they equal.
    least = np.maximum(binom.ppf(alpha, samples, 0.5), 0)
    return np.asarray(least + (binom.cdf(least, samples, 0.5) <= alpha), dtype=int)


def upper_bounds(log_ratios: Array, alpha: float) -> Array:
    """Return an upper bound (T,) of the median at each target: an order statistic, or inf."""
    ordered = np.sort(log_ratios, axis=0)  # NaN comes last
    counts = (~np.isnan(log_ratios)).sum(axis=0)
    k = ranks(alpha, max(MOST_SAMPLES, len(log_ratios)))[counts]
    bounds = np.full(log_ratios.shape[1], np.inf)
    places = np.flatnonzero(k > 0)
    bounds[places] = ordered[counts[places] - k[places], places]
    return bounds


def signs(log_ratios: Array, edge: float) -> Array:
    """Return the signs (S, T) of log ratios beyond the margin; 0 within it and where unknown."""
    known = np.nan_to_num(log_ratios, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return np.where(np.abs(known) > edge, np.sign(known), 0.0)


def critical_value(given: Array, alpha: float) -> float:
    """Return the 1 - alpha quantile of the largest |sum of signs| over targets, under flips.

    `given` are the signs (S, T). Each sample's signs are flipped together, so that what targets
    have in common is kept.
    """
    distinct = np.unique(given.astype(np.int8), axis=1) if given.size else given
    if not distinct.size:
        return np.inf
    flipped = flips(len(distinct))
    largest = np.zeros(len(flipped), np.float32)
    for start in range(0, distinct.shape[1], COLUMNS_AT_ONCE):
        part = distinct[:, start : start + COLUMNS_AT_ONCE].astype(np.float32)
        np.maximum(largest, np.abs(flipped @ part).max(axis=1), out=largest)
    return float(np.quantile(largest, 1 - alpha, method="inverted_cdf"))


@cache
def flips(samples: int) -> Array:
    """Return flips of sign (F, samples): all that differ by more than their sign, or drawn ones."""
    if samples > ALL_FLIPS:
        drawn = np.random.default_rng(SEED).integers(0, 2, (DRAWN_FLIPS, samples))
        return (2 * drawn - 1).astype(np.float32)
    numbers = np.arange(2 ** max(samples - 1, 0))
    return (1 - 2 * ((numbers[:, None] >> np.arange(samples)) & 1)).astype(np.float32)


def samples_needed(log_ratios: Array, critical: float, rule: Rule) -> int | None:
    """Return how many samples like these would probably decide; None if no number would.

    They would if NEW, or BASELINE, were nowhere behind with the shares of samples that are beyond
    the margin here, and ahead with the largest mean sign, which grows with the number of samples
    as the critical value grows with its root.
    """
    count, edge = len(log_ratios), rule.edge
    mean = signs(log_ratios, edge).sum(axis=0) / count
    scale = critical / np.sqrt(count) if np.isfinite(critical) else 2.0
    more = np.arange(count + 1, MOST_SAMPLES + 1)
    enough = np.zeros(len(more), dtype=bool)
    for side in (1, -1):
        beyond = np.mean(side * log_ratios > edge, axis=0).max(initial=0.0)
        not_behind = beyond * more <= ranks(rule.alpha)[more] - 1
        enough |= not_behind & (-(side * mean).min(initial=0.0) * more > scale * np.sqrt(more))
    return int(more[np.argmax(enough)]) if enough.any() else None
