"""The measurement of one cell: an estimator at a setting, on samples, against the reference."""

import resource
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import psutil

from gradpareto.bench.run.errors import with_errors
from gradpareto.bench.run.meter import Meter, metered
from gradpareto.bench.run.unmeasured import blank_record, uncertified_records
from gradpareto.bench.run.validation import copied, validate
from gradpareto.bench.store.record import Cell, Record, Status
from gradpareto.estimators import ESTIMATORS, Estimate, Estimator
from gradpareto.reference import USABLE, Reference
from gradpareto.systems import Array, Problem
from gradpareto.systems.faults import Unsound

HEADROOM_BYTES = 512 * 2**20
"""Address space beyond a cell's budget, for the interpreter and its libraries."""
TRACED_CALLS = 1200
"""Memory is traced for at most this number of oracle calls, since it slows them 3 to 5 times."""
TIMING_SECONDS = 0.15
BASELINE_STEPS = 100
REPLICATES = 16
"""Calls of a stochastic estimator, each with a seed of its own."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of calling an estimator: an estimate, or the reason why there is none.

    A stochastic estimator has `replicates`, and the estimate is the first of them. `times` are
    seconds, their ratio to the baseline's, and the spread of the ratio.
    """

    estimate: Estimate | None
    status: Status
    reason: str
    meter: Meter
    seconds: float
    peak_bytes: float = np.nan
    times: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    replicates: tuple[Estimate, ...] = ()


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
) -> list[Record]:
    """Measure a cell on its samples x0 (B, d), and return a record of each.

    The estimator sees the samples whose reference is usable within the `bound`; the records of the
    others only say why it is not.

    Whatever the estimator does, there are records. Counts, errors and wall time come from the same
    runs, and memory from a run of its own. The replicates of a stochastic estimator serve its
    errors; all else is measured on the first.
    """
    lanes = np.flatnonzero(reference.usable(bound)[: len(x0)])
    left_out = uncertified_records(cell, estimator, seed, reference, bound)
    if not len(lanes):
        return left_out
    outcome = _run(estimator, problem.take(lanes), x0[lanes], cell.setting, cell_bytes, timed)
    blank = blank_record(cell, estimator, seed)
    measured = [_record(blank, outcome, reference, *pair) for pair in enumerate(lanes.tolist())]
    return sorted([*measured, *left_out], key=lambda record: record.sample)


def _run(
    estimator: Estimator, problem: Problem, x0: Array, setting: float, cell_bytes: int, timed: bool
) -> Outcome:
    """Call the estimator for its estimate, its times, its memory and its replicates."""
    own = partial(attempt, estimator, problem, x0, setting)
    baseline = partial(attempt, ESTIMATORS["bptt"], problem, x0, problem.horizon / BASELINE_STEPS)
    with address_space(cell_bytes), np.errstate(all="ignore"):
        if problem.system.truth is not None:
            baseline()  # a process loads the simulator on its first call
        before = baseline().seconds if timed else np.nan
        outcome = own()
        if outcome.status == "ok" and timed:
            outcome = replace(outcome, times=_wall_time(outcome, own, before, baseline))
        if outcome.status == "ok" and sum(outcome.meter.batches.values()) <= TRACED_CALLS:
            outcome = _traced(outcome, own, cell_bytes)
        if outcome.status == "ok" and estimator.declares.stochastic:
            outcome = _replicated(outcome, own)
    return outcome


def attempt(
    estimator: Estimator, problem: Problem, x0: Array, setting: float, replicate: int = 0
) -> Outcome:
    """Call the estimator once, counted and timed; an exception becomes an outcome.

    Counting takes a few per cent of the time, of the baseline too. Replicates after the first have
    seeds of their own.
    """
    tracing = tracemalloc.is_tracing()
    # With tracing on, x0 is copied but theta is not: an earlier run showed that the estimator
    # leaves theta alone, and the copy would be counted.
    private = problem if tracing else problem.with_theta(problem.theta.copy())
    counted, x0_copy = metered(private, len(x0)), x0.copy()
    estimate: Estimate | None = None
    start = time.perf_counter()
    seconds = peak = np.nan
    try:
        if replicate:
            given: Any = estimator
            reseeded = getattr(given, "reseeded", None)  # a plug-in's own, wherever it is loaded
            estimator = (
                reseeded(replicate) if reseeded else replace(given, seed=given.seed + replicate)
            )
        estimate = estimator(counted, x0_copy, setting)
        seconds = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1] if tracing else np.nan
        status, reason = validate(estimate, problem, x0)
    except MemoryError:
        status, reason = "memory", "allocated more than its budget of memory"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not _uninterrupted():
            raise
        status, reason = "raised", _reason(error)
    for what, now, before in (("x0", x0_copy, x0), ("theta", private.theta, problem.theta)):
        if now.tobytes() != before.tobytes():
            status, reason = "mutated", f"changed {what}, which is not its own: copy it first"
    # Copied, since an estimator may write its next result into the same arrays.
    kept = copied(estimate) if status == "ok" and estimate is not None else None
    return Outcome(kept, status, reason, counted.meter, seconds, peak)


def _reason(error: BaseException) -> str:
    """Say in a line what was raised; a fault of a system names the system's method by itself."""
    line = (str(error).splitlines() or [""])[0]
    return (line if isinstance(error, Unsound) else f"{type(error).__name__}: {line}")[:200]


def _uninterrupted() -> bool:
    """Tell whether no person can have interrupted this process, which is a worker."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def _replicated(first: Outcome, own: Callable[..., Outcome]) -> Outcome:
    """Add the estimates of all replicates, or fail as the first replicate that fails."""
    assert first.estimate is not None
    estimates = [first.estimate]
    for replicate in range(1, REPLICATES):
        outcome = own(replicate)
        if outcome.estimate is None:
            reason = f"replicate {replicate}: {outcome.reason}"
            return replace(first, estimate=None, status=outcome.status, reason=reason)
        estimates.append(outcome.estimate)
    return replace(first, replicates=tuple(estimates))


def _traced(first: Outcome, own: Callable[[], Outcome], cell_bytes: int) -> Outcome:
    """Call again with memory traced, and add the peak to the first outcome."""
    tracemalloc.start()
    try:
        again = own()
        peak = (
            tracemalloc.get_traced_memory()[1] if np.isnan(again.peak_bytes) else again.peak_bytes
        )
    finally:
        tracemalloc.stop()
    if peak > cell_bytes:
        reason = f"took {peak:.3g} bytes, its budget is {cell_bytes:.3g}"
        return replace(again, estimate=None, status="memory", reason=reason)
    if again.status != "ok":
        return again
    first.meter.stored_bytes = again.meter.stored_bytes or 0.0
    return replace(first, peak_bytes=peak)


def _wall_time(
    first: Outcome, own: Callable[[], Outcome], before: float, baseline: Callable[[], Outcome]
) -> tuple[float, float, float]:
    """Return seconds, their ratio to the baseline's, and the spread of the ratio (or NaN).

    The baseline runs before and after each round. The numbers are medians over at most five rounds,
    of which there is one alone if it takes long.
    """
    started, seconds = time.perf_counter() - first.seconds, first.seconds
    rounds: list[tuple[float, float]] = []
    while True:
        after = baseline().seconds
        rounds.append((seconds, 2 * seconds / (before + after)))
        if len(rounds) == 5 or time.perf_counter() - started > TIMING_SECONDS:
            break
        before, seconds = after, own().seconds
    spread = float(np.ptp([ratio for _, ratio in rounds])) if len(rounds) > 1 else np.nan
    middle = np.median(rounds, axis=0)
    return float(middle[0]), float(middle[1]), spread


def _record(
    blank: Record, outcome: Outcome, reference: Reference, lane: int, sample: int
) -> Record:
    """Return the record of one sample of a cell, which the estimator saw as a lane."""
    meter, samples = outcome.meter, len(outcome.meter.f_evals)
    counts: dict[str, Any] = {
        name: int(getattr(meter, name)[lane])
        for name in ("f_evals", "vjp_evals", "jvp_evals", "jac_evals", "evals")
    }
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


@contextmanager
def address_space(cell_bytes: int) -> Iterator[None]:
    """Have the kernel refuse this process more than `cell_bytes` and HEADROOM_BYTES from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + cell_bytes + HEADROOM_BYTES
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
