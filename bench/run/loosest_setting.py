"""The loosest setting with which an estimator reaches an error."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile

import numpy as np

from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.samples import Samples
from gradpareto.estimators import Estimator
from gradpareto.systems import Problem

SETTINGS_A_FACTOR = 4
"""Settings for each halving of the step or for each decade of the tolerance."""
TIGHTEST = 1e-13
MOST_NUMBER = 2**20
"""The most steps or rollouts that are tried, by an estimator that fails before it counts any."""
MOST_EVALS = 2**15
"""The evaluations of a sample beyond which no finer setting is tried."""


@dataclass(frozen=True)
class Reached:
    """A setting, the median relative error with it, and the median evaluations of a sample."""

    setting: float
    rel_error: float
    evals: float


def loosest_setting(
    estimator: Estimator, samples: Samples, error: float, lanes: int | None = None
) -> Reached | None:
    """Return the loosest setting with a median relative error of at most `error`, if there is one.

    The samples are taken in batches of `lanes`, or all at once. Settings on which the estimator
    fails for a sample do not count.
    """
    total = len(samples.x0)
    lanes = lanes or total
    for setting in from_loose_to_tight(estimator, samples.problem):
        outcomes = [
            attempt(estimator, *samples.batch(lanes, first), setting)
            for first in range(0, total, lanes)
        ]
        evals = float(np.median(np.concatenate([one.meter.evals for one in outcomes])[:total]))
        estimates = [one.estimate for one in outcomes if one.status == "ok" and one.estimate]
        if len(estimates) == len(outcomes) and not any(one.failed for one in estimates):
            gradient = np.concatenate([one.gradient for one in estimates])[:total]
            found = samples.rel_error(gradient)
            if found <= error:
                return Reached(setting, found, evals)
        if evals > MOST_EVALS:
            return None
    return None


def from_loose_to_tight(
    estimator: Estimator, problem: Problem, settings_a_factor: int = SETTINGS_A_FACTOR
) -> Iterator[float]:
    """Yield tolerances from 0.1 on, whole numbers of steps from 1 on, or of rollouts from 2 on."""
    before, places = None, (number / settings_a_factor for number in count())
    for place in takewhile(partial(on_ladder, estimator), places):
        setting = rung(estimator, problem, place)
        if setting != before:
            yield setting
        before = setting


def on_ladder(estimator: Estimator, place: float) -> bool:
    """Tell whether the setting at a place is one that is tried, or too tight for that."""
    if estimator.declares.knob == "tolerance":
        return 10 ** (-1 - place) >= TIGHTEST
    return 2**place <= MOST_NUMBER


def rung(estimator: Estimator, problem: Problem, place: float) -> float:
    """Return the setting that is some decades of the tolerance, or doublings, from the loosest."""
    if estimator.declares.knob == "tolerance":
        return float(10 ** (-1 - place))
    number = round(2**place)
    return problem.horizon / number if estimator.declares.knob == "step" else 2.0 * number
