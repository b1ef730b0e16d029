"""How much an estimator adds to the oracle calls it makes, and what a batch saves."""

import time
from dataclasses import dataclass

import numpy as np

from gradpareto.bench.run.meter import metered
from gradpareto.estimators import Estimator
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Overhead:
    """`factor`: wall time of a gradient over that of its metered calls made alone, at their sizes.

    `batch_speedup`: wall time of the samples one by one over that of the same samples as a batch.
    """

    lanes: int
    gradient_s: float
    oracles_s: float
    factor: float
    batch_speedup: float


def measure_overhead(
    problem: Problem, estimator: Estimator, x0: Array, setting: float, repeats: int = 7
) -> Overhead:
    """Medians over `repeats` rounds, in each of which everything is timed once, in turn."""
    counted = metered(problem, len(x0))
    estimator(counted, x0, setting)
    calls = counted.meter.batches
    rounds = []
    for _ in range(repeats):
        gradient = _seconds(lambda: estimator(problem, x0, setting))
        oracles = sum(
            count * _call_seconds(problem, oracle, x0[np.arange(rows) % len(x0)])
            for (oracle, rows), count in calls.items()
        )
        single = sum(_seconds(lambda x=x: estimator(problem, x[None], setting)) for x in x0)
        rounds.append((gradient, oracles, gradient / oracles, single / gradient))
    return Overhead(len(x0), *np.median(rounds, axis=0).tolist())


def _seconds(call: object) -> float:
    start = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - start


def _call_seconds(problem: Problem, oracle: str, x: Array, calls: int = 20) -> float:
    """Of one oracle call alone, the fastest of three means."""
    rows = len(x)
    lane, t, ones = np.arange(rows), np.zeros(rows), np.ones(rows)
    a = np.ones_like(x)

    def call() -> object:
        if oracle == "flow":
            return problem.flow(lane, t, x)
        return problem.pullback(lane, t, x, a, ones)

    def many() -> None:
        for _ in range(calls):
            call()

    return min(_seconds(many) for _ in range(3)) / calls
