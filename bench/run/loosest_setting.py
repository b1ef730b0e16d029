"""The loosest setting with which an estimator reaches an error."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.samples import Samples
from gradpareto.estimators import Estimator
from gradpareto.systems import Problem

SETTINGS_A_FACTOR = 4
"""Settings for each halving of the step or for each decade of the tolerance."""
TIGHTEST = 1e-13
MOST_EVALS = 2**15
"""The evaluations of a sample beyond which no finer setting is tried."""


@dataclass(frozen=True)
class Reached:
    """A setting, the median relative error with it, and the median evaluations of a sample."""

    setting: float
    rel_error: float
    evals: float


def loosest_setting(estimator: Estimator, samples: Samples, error: float) -> Reached | None:
    """Return the loosest setting with a median relative error of at most `error`, if there is one.

    Settings on which the estimator fails for a sample do not count.
    """
    for setting in from_loose_to_tight(estimator, samples.problem):
        outcome = attempt(estimator, samples.problem, samples.x0, setting)
        evals = float(np.median(outcome.meter.evals))
        if outcome.status == "ok" and outcome.estimate is not None and not outcome.estimate.failed:
            found = samples.rel_error(outcome.estimate.gradient)
            if found <= error:
                return Reached(setting, found, evals)
        if evals > MOST_EVALS:
            return None
    return None


def from_loose_to_tight(estimator: Estimator, problem: Problem) -> Iterator[float]:
    """Yield tolerances from 0.1 on, whole numbers of steps from 1 on, or of rollouts from 2 on."""
    knob, place = estimator.declares.knob, 0
    while True:
        if knob == "tolerance":
            setting = 10 ** (-1 - place / SETTINGS_A_FACTOR)
            if setting < TIGHTEST:
                return
            yield setting
        else:
            count = round(2 ** (place / SETTINGS_A_FACTOR))
            if count != round(2 ** ((place - 1) / SETTINGS_A_FACTOR)):
                yield problem.horizon / count if knob == "step" else 2.0 * count
        place += 1
