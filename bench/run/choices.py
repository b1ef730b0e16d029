"""Measures the racers that reached an error, and orders them by evaluations, time or memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from gradpareto.bench.run.attempt import attempt, memory_traced
from gradpareto.bench.run.field_race import BEHIND, PLACES
from gradpareto.bench.run.overhead import seconds_of
from gradpareto.bench.run.plan import timed_lanes
from gradpareto.bench.run.racer import Racer
from gradpareto.bench.run.samples import Samples, seen_by
from gradpareto.bench.run.wall_model import WallModel
from gradpareto.estimators import ESTIMATORS

By = Literal["evals", "time", "memory"]
MOST_ROUNDS, SECONDS = 15, 0.3
"""A gradient is repeated for this time, and this often at most; the median counts."""


@dataclass(frozen=True)
class Choice:
    """A racer at the setting with which it reached the error.

    `evals` are the median sample's, `gradient_ms` the milliseconds of a gradient of a whole batch
    on this machine, of which `calls_ms` is what the wall model predicts for the oracle calls, and
    `stored_bytes` what the batch has stored when its backward pass begins. It raced on `samples`
    initial states, and failed on `failures` of them. Who solves lane by lane is timed on a few.
    """

    estimator: str
    setting: float
    rel_error: float
    evals: float
    gradient_ms: float
    calls_ms: float
    stored_bytes: float
    samples: int
    failures: int


def choices(
    racers: Sequence[Racer],
    samples: Samples,
    batch: int,
    by: By,
    model: WallModel,
    places: int = PLACES,
) -> list[Choice]:
    """Measure the racers with the fewest evaluations, up to `places`, and order them by a cost.

    Those that need more than BEHIND times the fewest evaluations are left out, unless it is time
    or memory that decides.
    """
    there = sorted((one for one in racers if one.reached), key=_evals)
    if by == "evals":
        there = [one for one in there if _evals(one) <= BEHIND * _evals(there[0])]
    found = [_measured(one, samples, batch, model) for one in there[:places]]
    costs = {
        "evals": lambda one: one.evals,
        "time": lambda one: one.gradient_ms,
        "memory": lambda one: one.stored_bytes,
    }
    return sorted(found, key=costs[by])


def _evals(racer: Racer) -> float:
    assert racer.reached is not None
    return racer.reached.evals


def _measured(racer: Racer, samples: Samples, batch: int, model: WallModel) -> Choice:
    assert racer.reached is not None
    estimator, setting = ESTIMATORS[racer.name], racer.reached.setting
    lanes = timed_lanes(estimator, batch)
    problem, x0 = samples.batch(lanes)
    with np.errstate(all="ignore"):
        milliseconds = 1e3 * _seconds(partial(estimator, problem, x0, setting))
        with memory_traced():
            meter = attempt(estimator, problem, x0, setting).meter
    return Choice(
        racer.name,
        setting,
        racer.reached.rel_error,
        racer.reached.evals,
        milliseconds * batch / lanes,
        1e3 * model.seconds(meter.batches) * batch / lanes,
        batch * (meter.stored_bytes or 0.0),
        len(seen_by(estimator, samples).x0),
        racer.reached.failures,
    )


def _seconds(gradient: Callable[[], object]) -> float:
    """Return the time of a gradient, without the first of several, which may build tables."""
    seconds = [seconds_of(gradient)]
    while len(seconds) < MOST_ROUNDS and sum(seconds) < SECONDS:
        seconds.append(seconds_of(gradient))
    return float(np.median(seconds[1:] or seconds))
