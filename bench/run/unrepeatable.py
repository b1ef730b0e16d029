"""The calls that a cell makes anyway have to agree: their counts, and their results to the bit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradpareto.bench.run.attempt import Outcome
from gradpareto.bench.run.meter import Meter
from gradpareto.bench.run.validation import EXPECTED
from gradpareto.bench.store.record import COUNTS


def agreed(first: Outcome, again: Outcome) -> Outcome:
    """Return another call of the same cell, or its failure if it is not as the first call was."""
    if again.status != "ok":
        return again
    reason = _difference(first, again)
    return replace(again, estimate=None, status="unrepeatable", reason=reason) if reason else again


def _difference(first: Outcome, again: Outcome) -> str:
    """Say in what the same call differs the second time; "" if it does not."""
    for name in COUNTS:
        one, other = getattr(first.meter, name), getattr(again.meter, name)
        if differing := np.flatnonzero(one != other).tolist():
            k = differing[0]
            told = f"{name} of sample {k} are {one[k]} in the first call and {other[k]} in another"
            return f"{told}: keep nothing between calls, and do the same in each"
    assert first.estimate is not None
    assert again.estimate is not None
    for name in EXPECTED:
        one, other = getattr(first.estimate, name), getattr(again.estimate, name)
        if one.dtype != other.dtype or not np.array_equal(one, other, equal_nan=True):
            return f"{name} is not the same in each call: keep nothing between calls"
    return ""


def mean_counts(meters: Sequence[Meter]) -> Meter:
    """Return the counts of several calls of one batch, each the mean of theirs, rounded up.

    Memory and calls are those of the first.
    """
    mean = Meter(len(meters[0].f_evals))
    for name in COUNTS:
        total = np.sum([getattr(meter, name) for meter in meters], axis=0)
        setattr(mean, name, -(-total // len(meters)))
    mean.batches, mean.stored_bytes = meters[0].batches, meters[0].stored_bytes
    return mean
