"""Estimators of one problem compared in pairs, at matched errors: who needs fewer evaluations.

At each of a ladder of errors, the estimator whose median paired ratio of evaluations is below 1 is
ahead, and an estimator that reaches an error is ahead of one that never does. An estimator that is
ahead at some error and behind at none dominates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradpareto.bench.judge.frontier import Attainment, attained
from gradpareto.bench.judge.medians import median_known
from gradpareto.systems import Array

Answer = Literal["dominates", "is dominated", "neither"]

LOOSEST = 1e-2
"""The loosest relative error at which estimators are compared."""
TARGETS_A_DECADE = 10
TIE = 1e-9
"""Relative differences below this are ties."""


@dataclass(frozen=True)
class Pairs:
    """E estimators compared with each other on S samples, at up to T errors.

    `targets` (E, E, T) holds the errors at which a pair is compared, from loose to tight, then NaN.
    `log_ratios` (E, E, S, T) is log(evaluations of the first / evaluations of the second): -inf
    where only the first reaches the error, inf where only the second does, and NaN where that is
    not known or the sample was not measured.
    """

    targets: Array
    log_ratios: Array


def compare_pairs(
    reached: Sequence[Attainment],
    samples: Sequence[int],
    loosest: float = LOOSEST,
    tightest: float | None = None,
) -> Pairs:
    """Compare each estimator with each, from `loosest` down to the error `tightest`.

    By default a pair is compared down to the tightest error that either of the two reaches in the
    median of their common samples.
    """
    if tightest is None:
        ends = _tightest_errors(reached, samples, loosest)
    else:
        ends = np.full((len(reached), len(reached)), tightest)
    ladders = {end: ladder(loosest, end) for end in np.unique(ends)}
    targets = np.full((*ends.shape, max(map(len, ladders.values()))), np.nan)
    for pair, end in np.ndenumerate(ends):
        targets[pair][: len(ladders[end])] = ladders[end]
    with np.errstate(invalid="ignore"):
        needed = np.stack(
            [
                np.log(attained(own, samples, errors)).swapaxes(0, 1)
                for own, errors in zip(reached, targets, strict=True)
            ]
        )
        return Pairs(targets, needed - needed.swapaxes(0, 1))


def _tightest_errors(
    reached: Sequence[Attainment], samples: Sequence[int], loosest: float
) -> Array:
    """Return the tightest error (E, E) that either of two reaches in the median common sample."""
    best = np.full((len(reached), len(samples)), np.nan)
    for row, own in zip(best, reached, strict=True):
        for k, sample in enumerate(samples):
            if sample in own.curves:
                row[k] = np.min(own.curves[sample].error, initial=np.inf)
    both = ~np.isnan(best)[:, None] & ~np.isnan(best)[None]
    median = median_known(np.where(both, best[:, None], np.nan))
    return np.asarray(np.fmin(np.fmin(median, median.T), loosest))


def ladder(loosest: float, tightest: float, a_decade: int = TARGETS_A_DECADE) -> Array:
    """Return the errors at which two frontiers are compared, evenly spaced in their logarithm."""
    decades = np.log10(loosest / tightest)
    return np.geomspace(loosest, tightest, max(1, int(np.ceil(a_decade * decades))) + 1)


def ahead(log_ratios: Array) -> Array:
    """Return the sign (..., T) of the median of log ratios (..., S, T) at each error.

    It is -1 where the first of a pair is ahead, 1 where the second is, and 0 for a tie and where
    nothing is known.
    """
    middle = np.nan_to_num(median_known(np.swapaxes(log_ratios, -1, -2)), nan=0.0)
    return np.asarray(np.sign(np.where(np.abs(middle) < TIE, 0.0, middle)))


def answer(signs: Array) -> Answer:
    """Return the verdict on the first of a pair from the signs (T,) that `ahead` gives."""
    better, worse = bool((signs < 0).any()), bool((signs > 0).any())
    if better == worse:
        return "neither"
    return "dominates" if better else "is dominated"


def mean_log_ratios(log_ratios: Array) -> Array:
    """Return the mean (..., S) of a sample's finite log ratios (..., S, T), or NaN if none is."""
    finite = np.isfinite(log_ratios)
    number = finite.sum(axis=-1)
    sums = np.where(finite, log_ratios, 0).sum(axis=-1)
    return np.asarray(np.where(number > 0, sums / np.maximum(number, 1), np.nan))
