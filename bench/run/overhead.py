"""The time that an estimator adds to that of its oracle calls."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from gradpareto.bench.run.meter import Meter, with_meter
from gradpareto.estimators import Estimator
from gradpareto.systems import Array, Factors, Problem

LEAST_ROUNDS, MOST_ROUNDS = 7, 50
SECONDS = 1.0
"""Rounds of a measurement go on for this time, within the two bounds above."""

Call = Callable[[], object]
Batch = tuple[Problem, Array]


@dataclass(frozen=True)
class Spread:
    """The quartiles of a quantity over rounds."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | Array) -> Self:
        """Return the quartiles of the values (R,) of R rounds."""
        return cls(*np.quantile(values, (0.25, 0.5, 0.75)).tolist())


@dataclass(frozen=True)
class Overhead:
    """The time of a gradient of a batch, compared with that of its oracle calls.

    In each round, `gradient_s` is the wall time, `oracles_s` that of the gradient's oracle calls
    made alone, each on as many rows, and `factor` the first over the second. `batches` counts the
    calls of the last round by oracle and number of rows.
    """

    lanes: int
    gradient_s: Spread
    oracles_s: Spread
    factor: Spread
    batches: dict[tuple[str, int], int]


@dataclass
class _Calls:
    """The calls of an oracle on one number of rows: how many, and the first to make again."""

    first: Call
    count: int = 0

    def make_again(self) -> None:
        for _ in range(self.count):
            self.first()


def pull_through(
    problem: Problem, lane: Array, t: Array, x: Array, c: Array
) -> tuple[Array, list[Factors]]:
    """Linearise at stages whose rows follow each other, and pull a cotangent through each."""
    rows = len(np.unique(lane))  # each lane has one at each stage
    stages = x.reshape(-1, rows, x.shape[1])
    shape = stages.shape[:2]
    products = Problem.assembled(problem, lane[:rows], t.reshape(shape), stages, c.reshape(shape))
    return np.concatenate([products.pull(stage) for stage in stages]), products.factors()


def pull_with_values(
    problem: Problem, lane: Array, t: Array, x: Array, a: Array, c: Array, *values: Array
) -> tuple[Array, Factors]:
    """Pull cotangents back in rows whose policy values are given."""
    return Problem.pullback(problem, lane, t, x, a, c, values)


AGAIN: dict[str, Callable[..., object]] = {
    "flow": Problem.flow,
    "pullback": Problem.pullback,
    "policy_values": Problem.policy_values,
    "pullback_with_values": pull_with_values,
    "jacobian": Problem.jacobian,
    "linearise": pull_through,
}
"""The functions that make a call of an oracle again, without a meter."""


class Recorder(Meter):
    """A meter that keeps the oracle calls, by the oracle's name and the number of rows."""

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self.calls: dict[tuple[str, int], _Calls] = {}

    def see(self, problem: Problem, oracle: str, lane: Array, t: Array, *arrays: Array) -> None:
        key = oracle, len(lane)
        if key not in self.calls:
            # An estimator may write into its arguments afterwards.
            arguments = [part.copy() for part in (lane, t, *arrays)]
            self.calls[key] = _Calls(partial(AGAIN[oracle], problem, *arguments))
        self.calls[key].count += 1


def measure_overhead(
    batches: Iterator[Batch], estimator: Estimator, setting: float, seconds: float = SECONDS
) -> Overhead:
    """Time gradients and their oracle calls, in turn: quartiles over rounds.

    Each round takes the next of the `batches`, which are equally large, and never end.
    """
    rounds: list[tuple[float, float, float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < LEAST_ROUNDS or (len(rounds) < MOST_ROUNDS and time.perf_counter() < end):
        problem, x0 = next(batches)
        calls = oracle_calls(problem, estimator, x0, setting)
        gradient = seconds_of(partial(estimator, problem, x0, setting))
        oracles = sum(seconds_of(own.make_again) for own in calls.values())
        rounds.append((gradient, oracles, gradient / oracles))
    spent, alone, factor = (Spread.of(part) for part in zip(*rounds, strict=True))
    return Overhead(len(x0), spent, alone, factor, {key: own.count for key, own in calls.items()})


def oracle_calls(
    problem: Problem, estimator: Estimator, x0: Array, setting: float
) -> dict[tuple[str, int], _Calls]:
    """Return the oracle calls of one gradient, by the oracle's name and the number of rows."""
    recorder = Recorder(len(x0))
    estimator(with_meter(problem, recorder), x0, setting)
    return recorder.calls


def seconds_of(call: Call) -> float:
    """Return the wall time of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
