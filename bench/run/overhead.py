"""The time that an estimator adds to that of its oracle calls, and the time that a batch saves."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradpareto.bench.run.meter import Meter, with_meter
from gradpareto.estimators import Estimator
from gradpareto.systems import Array, Problem

Call = Callable[[], object]


@dataclass(frozen=True)
class Overhead:
    """The time of a gradient of `lanes` samples, compared with that of its parts.

    `factor` is its wall time `gradient_s` over the time `oracles_s` of its oracle calls made alone,
    each on as many rows; `batch_speedup` is the wall time of the samples one by one over that of
    the samples as a batch.
    """

    lanes: int
    gradient_s: float
    oracles_s: float
    factor: float
    batch_speedup: float


@dataclass
class _Calls:
    """The calls of an oracle on one number of rows: how many, and the first to make again."""

    first: Call
    count: int = 0


class _Recorder(Meter):
    """A meter that keeps the oracle calls, by the oracle's name and the number of rows."""

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self.calls: dict[tuple[str, int], _Calls] = {}

    def see(self, problem: Problem, oracle: str, lane: Array, t: Array, *arrays: Array) -> None:
        key = oracle, len(lane)
        if key not in self.calls:
            # An estimator may write into its arguments afterwards.
            arguments = [part.copy() for part in (lane, t, *arrays)]
            self.calls[key] = _Calls(partial(getattr(Problem, oracle), problem, *arguments))
        self.calls[key].count += 1


def measure_overhead(
    problem: Problem, estimator: Estimator, x0: Array, setting: float, repeats: int = 7
) -> Overhead:
    """Time a gradient, its oracle calls and its samples one by one: medians over `repeats` rounds.

    The samples are x0 (B, state_dim). In each round everything is timed once, in turn.
    """
    calls = oracle_calls(problem, estimator, x0, setting).values()
    lanes = [(problem.take(np.array([k])), x0[k : k + 1]) for k in range(len(x0))]
    rounds = []
    for _ in range(repeats):
        gradient = _seconds(partial(estimator, problem, x0, setting))
        oracles = sum(own.count * _mean_seconds(own.first) for own in calls)
        single = sum(_seconds(partial(estimator, *lane, setting)) for lane in lanes)
        rounds.append((gradient, oracles, gradient / oracles, single / gradient))
    return Overhead(len(x0), *np.median(rounds, axis=0).tolist())


def oracle_calls(
    problem: Problem, estimator: Estimator, x0: Array, setting: float
) -> dict[tuple[str, int], _Calls]:
    """Return the oracle calls of one gradient, by the oracle's name and the number of rows."""
    recorder = _Recorder(len(x0))
    estimator(with_meter(problem, recorder), x0, setting)
    return recorder.calls


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _mean_seconds(call: Call, calls: int = 20) -> float:
    """Return the seconds of one call: the fastest of three means over `calls`."""

    def many() -> None:
        for _ in range(calls):
            call()

    return min(_seconds(many) for _ in range(3)) / calls
