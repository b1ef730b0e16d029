"""The settings with which an estimator achieves given errors, as exactly as it can."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from gradpareto.bench.run.attempt import called
from gradpareto.bench.run.loosest_setting import Reached, from_loose_to_tight
from gradpareto.bench.run.samples import Samples
from gradpareto.estimators import Estimator

STRIDE, BISECTIONS = 2, 4
"""Each second of the settings from loose to tight is tried, and the interval between one that
misses an error and the next is halved this often."""
MOST_SECONDS = 6.0
"""No finer setting is tried when the samples take longer than this."""


def matched(
    estimator: Estimator, samples: Samples, errors: Sequence[float], lanes: int
) -> dict[float, Reached]:
    """Find the loosest settings with a median relative error of at most each of `errors`.

    The samples are taken in batches of `lanes`. An error that is not reached is left out.
    """
    found: dict[float, Reached] = {}
    wanted, before = sorted(errors, reverse=True), np.nan
    for setting in islice(from_loose_to_tight(estimator, samples.problem), None, None, STRIDE):
        error, seconds = rel_error(estimator, samples, setting, lanes)
        reached = Reached(setting, error, np.nan)
        while wanted and error <= wanted[0]:
            target = wanted.pop(0)
            found[target] = _refined(estimator, samples, target, lanes, before, reached)
        if not wanted or seconds > MOST_SECONDS:
            break
        before = setting
    return found


def rel_error(
    estimator: Estimator, samples: Samples, setting: float, lanes: int
) -> tuple[float, float]:
    """Return the median relative error, and the seconds of all samples.

    The error is infinite if there is no gradient of a sample.
    """
    gradients, spent = [], 0.0
    for first in range(0, len(samples.x0), lanes):
        outcome = called(estimator, *samples.batch(lanes, first), setting, 0)
        if outcome.estimate is None or outcome.estimate.failed:
            return np.inf, spent
        gradients.append(outcome.estimate.gradient)
        spent += outcome.seconds
    error = samples.rel_error(np.concatenate(gradients))
    return (error if np.isfinite(error) else np.inf), spent


def _refined(
    estimator: Estimator, samples: Samples, error: float, lanes: int, loose: float, tight: Reached
) -> Reached:
    """Bisect between a setting that misses the error and one that reaches it."""
    for _ in range(BISECTIONS if np.isfinite(loose) else 0):
        middle = float(np.sqrt(loose * tight.setting))
        found, _ = rel_error(estimator, samples, middle, lanes)
        if found <= error:
            tight = Reached(middle, found, np.nan)
        else:
            loose = middle
    return tight
