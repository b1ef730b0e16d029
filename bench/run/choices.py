"""Measures the racers that reached an error, and orders them by evaluations, time or memory."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from gradpareto.bench.run.attempt import attempt, stored_bytes
from gradpareto.bench.run.engines.cores import cores
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import Died
from gradpareto.bench.run.engines.worker import TaskFault
from gradpareto.bench.run.field_race import BEHIND, Goal
from gradpareto.bench.run.overhead import seconds_of
from gradpareto.bench.run.plan import timed_lanes
from gradpareto.bench.run.racer import Racer
from gradpareto.bench.run.samples import Samples, seen_by
from gradpareto.bench.run.sending import schedule
from gradpareto.bench.run.tried_setting import Tried
from gradpareto.bench.run.wall_model import WallModel
from gradpareto.estimators import ESTIMATORS, Estimator

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
    racers: Sequence[Racer], goal: Goal, batch: int, by: By, model: WallModel, jobs: int = 1
) -> list[Choice]:
    """Measure the racers to a goal with the fewest evaluations, and order them by a cost.

    There are as many as the goal has places. Those that need more than BEHIND times the fewest
    evaluations are left out, unless it is time or memory that decides. `jobs` workers measure them,
    no more than there are cores, so that no two share one.
    """
    arrived = (
        Finalist(one.name, ESTIMATORS[one.name], one.reached, goal.samples, batch, model)
        for one in racers
        if one.reached
    )
    there = sorted(arrived, key=lambda one: one.reached.evals)
    if by == "evals":
        there = [one for one in there if one.reached.evals <= BEHIND * there[0].reached.evals]
    finalists = there[: goal.places]
    with Processes(min(jobs, cores())) as pool:
        sent = [
            (one, schedule(pool, [goal.system], Finalist.measured, (one,)))
            for one in reversed(finalists)
        ]
        found = [_choice(*pair) for pair in reversed(sent)]
    costs = {
        "evals": lambda one: one.evals,
        "time": lambda one: one.gradient_ms,
        "memory": lambda one: one.stored_bytes,
    }
    return sorted(found, key=costs[by])


def _choice(finalist: "Finalist", future: "Future[Choice]") -> Choice:
    """Return the choice of a worker, without its measurements if it was lost, as for memory."""
    try:
        return future.result()
    except (Died, TaskFault):
        return finalist.choice(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Finalist:
    """A racer that has arrived, to be measured at its setting on a whole batch."""

    name: str
    estimator: Estimator
    reached: Tried
    samples: Samples
    batch: int
    model: WallModel

    @property
    def lanes(self) -> int:
        return timed_lanes(self.estimator, self.batch)

    def measured(self) -> Choice:
        """Measure the time of a gradient, what it calls, and what it stores.

        The first gradient counts calls, and may build tables: its time is taken only if it is long,
        where counting takes a per cent or two.
        """
        given = *self.samples.batch(self.lanes), self.reached.setting
        with np.errstate(all="ignore"):
            counted = attempt(self.estimator, *given)
            seconds = list[float]()
            while len(seconds) < MOST_ROUNDS and counted.seconds + sum(seconds) < SECONDS:
                seconds.append(seconds_of(partial(self.estimator, *given)))
            stored = self.lanes * np.nan_to_num(stored_bytes(self.estimator, *given))
        lasted = float(np.median(seconds or [counted.seconds]))
        return self.choice(lasted, self.model.seconds(counted.meter.batches), stored)

    def choice(self, seconds: float, calls_seconds: float, stored_bytes: float) -> Choice:
        """Return the choice, given what was measured on its lanes."""
        share = self.batch / self.lanes
        return Choice(
            self.name,
            self.reached.setting,
            self.reached.rel_error,
            self.reached.evals,
            1e3 * seconds * share,
            1e3 * calls_seconds * share,
            stored_bytes * share,
            len(seen_by(self.estimator, self.samples).x0),
            self.reached.failures,
        )
