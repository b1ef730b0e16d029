"""The time of an estimator's gradient of a batch, and that of its oracle calls alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from gradpareto.bench.plugins.plugin_estimator import from_outside
from gradpareto.bench.run.attempt import called
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import Died, TimedOut
from gradpareto.bench.run.engines.worker import TaskFault
from gradpareto.bench.run.meter import with_meter
from gradpareto.bench.run.overhead import Recorder, Spread, seconds_of
from gradpareto.bench.run.samples import Samples
from gradpareto.bench.run.sending import schedule
from gradpareto.bench.run.wall_model import WallModel, fit_wall_model
from gradpareto.estimators import Estimator
from gradpareto.systems import Array, Problem

LEAST_ROUNDS, MOST_ROUNDS = 5, 50
Found = TypeVar("Found")
SECONDS = 0.3
"""Rounds go on for this time, within the two bounds above."""
CALLS_SECONDS = 0.05
"""Calls alone are made again for this time, once at least."""


@dataclass(frozen=True)
class Counted:
    """The oracle calls of a gradient by oracle and number of rows, and their seconds alone.

    `reason` says why there are none.
    """

    seconds: float = np.nan
    batches: dict[tuple[str, int], int] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Timed:
    """The seconds of a gradient over rounds, or the reason why there are none."""

    spread: Spread | None = None
    reason: str = ""


def count_calls(estimator: Estimator, samples: Samples, setting: float, batch: int) -> Counted:
    """Count the calls of one gradient, and time them when they are made again, alone.

    The fastest of some repetitions counts, as in the wall model, since it is to be a lower bound.
    """
    problem, x0 = samples.batch(batch)
    recorder = Recorder(batch)
    watched = partial(with_meter, meter=recorder)
    with np.errstate(all="ignore"):
        found = called(estimator, problem, x0, setting, 0, watched)
        if found.status != "ok":
            return Counted(reason=found.reason)
        alone: list[float] = []
        end = time.perf_counter() + CALLS_SECONDS
        while not alone or time.perf_counter() < end:
            alone.append(sum(seconds_of(own.make_again) for own in recorder.calls.values()))
    return Counted(min(alone), {key: own.count for key, own in recorder.calls.items()})


def time_gradient(estimator: Estimator, samples: Samples, setting: float, batch: int) -> Timed:
    """Time gradients after one to warm up; each round begins its batch at the next sample."""
    times: list[float] = []
    end = np.inf
    with np.errstate(all="ignore"):
        while len(times) <= LEAST_ROUNDS or (
            len(times) < MOST_ROUNDS and time.perf_counter() < end
        ):
            found = called(estimator, *samples.batch(batch, len(times)), setting, 0)
            if found.status != "ok":
                return Timed(reason=found.reason)
            end = end if times else time.perf_counter() + SECONDS
            times.append(found.seconds)
    return Timed(Spread.of(times[1:]))


def _fitted(problem: Problem, x0: Array) -> WallModel:
    with np.errstate(all="ignore"):
        return fit_wall_model(problem, x0)


@dataclass(frozen=True)
class Stopwatch:
    """A process that counts and times, one task after another, each within `cell_seconds`."""

    pool: Processes
    cell_seconds: float

    def model(self, system: str, samples: Samples) -> WallModel:
        """Fit the wall model of a problem. Raises ValueError if that ends the process."""
        given = samples.problem, samples.x0
        try:
            found: WallModel = schedule(self.pool, [system], _fitted, given).result()
        except (Died, TaskFault) as error:
            raise ValueError(f"{system} cannot be timed: {error}") from error
        return found

    def count(self, system: str, estimator: Estimator, *given: Any) -> Counted:
        """Count and time calls as `count_calls` does."""
        return self._within_its_time(count_calls, Counted, system, estimator, *given)

    def time(self, system: str, estimator: Estimator, *given: Any) -> Timed:
        """Time gradients as `time_gradient` does."""
        return self._within_its_time(time_gradient, Timed, system, estimator, *given)

    def _within_its_time(
        self,
        function: Callable[..., Found],
        kind: Callable[..., Found],
        system: str,
        estimator: Estimator,
        *given: Any,
    ) -> Found:
        """Call a function in the process; whatever ends it is a reason."""
        arguments = from_outside(estimator), *given
        try:
            found: Found = schedule(
                self.pool, [system], function, arguments, self.cell_seconds
            ).result()
        except (Died, TimedOut, TaskFault) as error:
            return kind(reason=str(error))
        return found
