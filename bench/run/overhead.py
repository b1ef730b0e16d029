"""Measures how much time an estimator adds to that of its oracle calls, and what a batch saves."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from gradpareto.estimators import Estimator
from gradpareto.systems import Array, Factors, Problem

Call = Callable[[], object]


@dataclass(frozen=True)
class Overhead:
    """How the time of a gradient of `lanes` samples compares with that of its parts.

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


@dataclass(frozen=True)
class _Recorded(Problem):
    """A problem that keeps its oracle calls, by the oracle and the number of rows."""

    calls: dict[tuple[str, int], _Calls] = field(kw_only=True, compare=False, repr=False)

    def flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        self._keep(Problem.flow, lane, t, x)
        return super().flow(lane, t, x)

    def pullback(
        self, lane: Array, t: Array, x: Array, a: Array, c: Array
    ) -> tuple[Array, Factors]:
        self._keep(Problem.pullback, lane, t, x, a, c)
        return super().pullback(lane, t, x, a, c)

    def jacobian(self, lane: Array, t: Array, x: Array) -> tuple[Array, Factors]:
        self._keep(Problem.jacobian, lane, t, x)
        return super().jacobian(lane, t, x)

    def _keep(self, oracle: Callable[..., Any], lane: Array, *arguments: Array) -> None:
        key = oracle.__name__, len(lane)
        if key not in self.calls:
            # An estimator may write into its arguments afterwards.
            first = partial(oracle, self, lane.copy(), *(part.copy() for part in arguments))
            self.calls[key] = _Calls(first)
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
    """The oracle calls of one gradient, by the oracle's name and the number of rows."""
    given = (getattr(problem, part.name) for part in fields(problem) if part.init)
    recorded = _Recorded(*given, calls={})
    estimator(recorded, x0, setting)
    return recorded.calls


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _mean_seconds(call: Call, calls: int = 20) -> float:
    """The seconds of one call: the fastest of three means over `calls`."""

    def many() -> None:
        for _ in range(calls):
            call()

    return min(_seconds(many) for _ in range(3)) / calls
