"""The measurement of one cell: an estimator at a setting, on samples, against the reference."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gradpareto.bench.plugins import SYSTEM_PLUGINS
from gradpareto.bench.plugins.plugin_estimator import GuestEstimator
from gradpareto.bench.run.attempt import Outcome, address_space, attempt, memory_traced
from gradpareto.bench.run.engines.processes import REPEATS
from gradpareto.bench.run.errors import with_errors
from gradpareto.bench.run.guest import BASELINE_STEPS
from gradpareto.bench.run.host import START_SECONDS, Ended, Limits, guest_runs
from gradpareto.bench.run.meter import Meter
from gradpareto.bench.run.unmeasured import blank_record, uncertified_records
from gradpareto.bench.run.unrepeatable import agreed, mean_counts
from gradpareto.bench.store.record import COUNTS, Cell, Record
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import USABLE, Reference, default_folder
from gradpareto.systems import Array, Problem

TRACED_CALLS = 1200
"""Memory is traced for at most this number of oracle calls, since it slows them 3 to 5 times."""
TIMING_SECONDS = 0.15
REPLICATES = 16
"""Calls of a stochastic estimator, each with a seed of its own."""
TRIES = 1 + REPEATS
"""A cell is measured again if somebody ended its process from outside, this often in all."""


class Runs(Protocol):
    """The runs of a cell, in this process or in one of its own."""

    def own(self, replicate: int = 0, traced: bool = False) -> Outcome:
        """Call the estimator once, with the seed of a replicate, and with memory traced or not."""

    def baseline(self) -> float:
        """Return the seconds of the baseline."""


def measure(
    cell: Cell,
    estimator: Estimator,
    problem: Problem,
    x0: Array,
    reference: Reference,
    seed: int,
    cell_bytes: int,
    timed: bool = True,
    bound: float = USABLE,
    cell_seconds: float = np.inf,
    cache: Path | None = None,
    rest: bool = True,
) -> list[Record]:
    """Measure a cell on its samples x0 (B, d), and return a record of each.

    The estimator sees the samples whose reference is usable within the `bound`; the records of the
    others only say why it is not. An estimator from outside runs in a process of its own, which has
    `cell_seconds`, and to which the folder `cache` of references is closed.

    Whatever the estimator does, there are records. Counts, errors and wall time come from the same
    runs, and memory from a run of its own. The replicates of a stochastic estimator serve its
    errors and its counts; all else is measured on the first. Without the `rest`, there are neither
    runs of memory nor replicates.
    """
    lanes = np.flatnonzero(reference.usable(bound)[: len(x0)])
    left_out = uncertified_records(cell, estimator, seed, reference, bound)
    if not len(lanes):
        return left_out
    problem, x0 = problem.take(lanes), x0[lanes]
    if isinstance(estimator, GuestEstimator):
        limits = Limits(cell_seconds, cell_bytes)
        outcome = _run_apart(cell, estimator, problem, x0, limits, timed, cache, rest)
    else:
        with address_space(cell_bytes), np.errstate(all="ignore"):
            runs = _RunsHere(estimator, problem, x0, cell.setting)
            outcome = _run(runs, estimator, problem, cell_bytes, timed, rest)
    blank = blank_record(cell, estimator, seed)
    measured = [_record(blank, outcome, reference, *pair) for pair in enumerate(lanes.tolist())]
    return sorted([*measured, *left_out], key=lambda record: record.sample)


def _run_apart(
    cell: Cell,
    estimator: GuestEstimator,
    problem: Problem,
    x0: Array,
    limits: Limits,
    timed: bool,
    cache: Path | None,
    rest: bool,
) -> Outcome:
    """Measure in a process of its own, and again if it was ended from outside."""
    plugin = SYSTEM_PLUGINS.get(cell.system)
    sources = () if plugin is None else (plugin.source,)
    given = estimator, problem, x0, cell.setting, sources, limits, cache or default_folder()
    for tried in range(1, TRIES + 1):
        try:
            with guest_runs(*given) as runs:
                return _run(runs, estimator, problem, limits.bytes, timed, rest)
        except Ended as end:
            if tried == TRIES or not end.from_outside:
                return Outcome(None, end.status, end.reason, Meter(len(x0)))
    raise AssertionError("unreachable")


def most_seconds(estimator: Estimator, cell_seconds: float) -> float:
    """Return the seconds after which a process that measures a cell is no longer waited for.

    One that measures an estimator from outside ends that estimator's process itself.
    """
    if not isinstance(estimator, GuestEstimator):
        return cell_seconds
    return TRIES * (START_SECONDS + cell_seconds + START_SECONDS)


@dataclass(frozen=True)
class _RunsHere:
    """The runs of a cell in this process."""

    estimator: Estimator
    problem: Problem
    x0: Array
    setting: float

    def own(self, replicate: int = 0, traced: bool = False) -> Outcome:
        given = self.estimator, self.problem, self.x0, self.setting, replicate
        with memory_traced() if traced else nullcontext():
            return attempt(*given)

    def baseline(self) -> float:
        step = self.problem.horizon / BASELINE_STEPS
        return attempt(ESTIMATORS["bptt"], self.problem, self.x0, step).seconds


def _run(
    runs: Runs, estimator: Estimator, problem: Problem, cell_bytes: int, timed: bool, rest: bool
) -> Outcome:
    """Call the estimator for its estimate, its times, its memory and its replicates."""
    if problem.system.truth is not None:
        runs.baseline()  # a process loads the simulator on its first call
    before = runs.baseline() if timed else np.nan
    outcome = runs.own()
    if outcome.status == "ok" and timed:
        outcome = _timed(outcome, runs, before)
    if not rest:
        return outcome
    if outcome.status == "ok" and sum(outcome.meter.batches.values()) <= TRACED_CALLS:
        outcome = _traced(outcome, runs, cell_bytes)
    if outcome.status == "ok" and estimator.declares.stochastic:
        outcome = _replicated(outcome, runs)
    return outcome


def _replicated(first: Outcome, runs: Runs) -> Outcome:
    """Add the estimates of all replicates, or fail as the first replicate that fails."""
    assert first.estimate is not None
    estimates, meters = [first.estimate], [first.meter]
    for replicate in range(1, REPLICATES):
        outcome = runs.own(replicate)
        if outcome.estimate is None:
            reason = f"replicate {replicate}: {outcome.reason}"
            return replace(first, estimate=None, status=outcome.status, reason=reason)
        estimates.append(outcome.estimate)
        meters.append(outcome.meter)
    return replace(first, meter=mean_counts(meters), replicates=tuple(estimates))


def _traced(first: Outcome, runs: Runs, cell_bytes: int) -> Outcome:
    """Call again with memory traced, and add the peak to the first outcome."""
    again = agreed(first, runs.own(traced=True))
    if again.peak_bytes > cell_bytes:
        reason = f"took {again.peak_bytes:.3g} bytes, its budget is {cell_bytes:.3g}"
        return replace(again, estimate=None, status="memory", reason=reason)
    if again.status != "ok":
        return again
    first.meter.stored_bytes = again.meter.stored_bytes or 0.0
    return replace(first, peak_bytes=again.peak_bytes)


def _timed(first: Outcome, runs: Runs, before: float) -> Outcome:
    """Add seconds, their ratio to the baseline's, and the spread of the ratio (or NaN).

    The baseline runs before and after each round. The numbers are medians over at most five rounds,
    of which there is one alone if it takes long.
    """
    started, seconds = time.perf_counter() - first.seconds, first.seconds
    rounds: list[tuple[float, float]] = []
    while True:
        after = runs.baseline()
        rounds.append((seconds, 2 * seconds / (before + after)))
        if len(rounds) == 5 or time.perf_counter() - started > TIMING_SECONDS:
            break
        again = agreed(first, runs.own())
        if again.status != "ok":
            return again
        before, seconds = after, again.seconds
    return replace(first, times=_medians(rounds))


def _medians(rounds: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    spread = float(np.ptp([ratio for _, ratio in rounds])) if len(rounds) > 1 else np.nan
    middle = np.median(rounds, axis=0)
    return float(middle[0]), float(middle[1]), spread


def _record(
    blank: Record, outcome: Outcome, reference: Reference, lane: int, sample: int
) -> Record:
    """Return the record of one sample of a cell, which the estimator saw as a lane."""
    meter, samples = outcome.meter, len(outcome.meter.f_evals)
    counts: dict[str, Any] = {name: int(getattr(meter, name)[lane]) for name in (*COUNTS, "evals")}
    counted = replace(
        blank,
        sample=sample,
        status=outcome.status,
        reason=outcome.reason,
        reference_uncertainty=float(reference.uncertainty[sample]),
        **counts,
        stored_bytes=np.nan if meter.stored_bytes is None else meter.stored_bytes,
        peak_bytes=outcome.peak_bytes / samples,
        wall_s=outcome.times[0] / samples,
        wall_ratio=outcome.times[1],
        wall_ratio_spread=outcome.times[2],
    )
    if outcome.estimate is None:
        return counted
    return with_errors(counted, outcome.replicates or (outcome.estimate,), reference, lane)
