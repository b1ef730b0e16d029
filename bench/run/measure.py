"""Measures one cell: an estimator at one setting on a batch of samples, against the reference."""

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

from gradpareto.bench.run.meter import Meter, metered
from gradpareto.bench.run.validation import copied, judge
from gradpareto.bench.store.record import Cell, Record, Status
from gradpareto.estimators import ESTIMATORS, Estimate, Estimator
from gradpareto.reference import Reference
from gradpareto.systems import Array, Problem

HEADROOM_BYTES = 512 * 2**20
"""Address space that a cell may take beyond its budget, for the interpreter and its libraries."""
TRACED_CALLS = 1200
"""Memory is traced where a batch makes at most so many oracle calls: it slows them 3 to 5 times."""
TIMING_SECONDS = 0.15
BASELINE_STEPS = 100
REPLICATES = 16
"""How often a stochastic estimator is called, with a seed of its own each time."""


@dataclass(frozen=True)
class Outcome:
    """What came of calling an estimator: an estimate, or why there is none.

    `replicates` are those of a stochastic one, the estimate the first of them.
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
) -> list[Record]:
    """Records of a cell's samples, x0 (B, d), whatever the estimator does.

    Counts, errors and wall time come from the same runs, memory from one of its own. The replicates
    of a stochastic estimator are for its errors; all else is the first's.
    """
    own = partial(attempt, estimator, problem, x0, cell.setting)
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
    blank = blank_record(cell, estimator, seed)
    return [_record(blank, outcome, reference, sample) for sample in range(len(x0))]


def attempt(
    estimator: Estimator, problem: Problem, x0: Array, setting: float, replicate: int = 0
) -> Outcome:
    """Call the estimator once, counted and timed; nothing it raises gets out.

    Counting takes a few per cent of the time, the baseline's as well. Replicates after the first
    have seeds of their own.
    """
    tracing = tracemalloc.is_tracing()
    # Memory is traced after a run that has left the parameters alone, and without this copy's.
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
        status, reason = judge(estimate, problem, x0)
    except MemoryError:
        status, reason = "memory", "allocated more than its budget of memory"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not _uninterrupted():
            raise
        lines = str(error).splitlines() or [""]
        status, reason = "raised", f"{type(error).__name__}: {lines[0]}"[:200]
    for what, now, before in (("x0", x0_copy, x0), ("theta", private.theta, problem.theta)):
        if now.tobytes() != before.tobytes():
            status, reason = "mutated", f"changed {what}, which is not its own: copy it first"
    # Copied, since an estimator may write its next result into the same arrays.
    kept = copied(estimate) if status == "ok" and estimate is not None else None
    return Outcome(kept, status, reason, counted.meter, seconds, peak)


def _uninterrupted() -> bool:
    """Whether no person can have interrupted this process, a worker: the estimator raised it."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def _replicated(first: Outcome, own: Callable[..., Outcome]) -> Outcome:
    """The estimates of all replicates; the outcome of the first that fails as a whole, if any."""
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
    """The same call again with its memory traced."""
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
    """Seconds, ratio to the baseline run before and after, and the ratio's spread (or NaN).

    Medians over rounds, of which there is one if that takes long, at most five.
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


def blank_record(cell: Cell, estimator: Estimator, seed: int) -> Record:
    """A record of this cell with nothing measured."""
    nothing = np.nan
    return Record(
        **{name: getattr(cell, name) for name in ("system", "theta", "estimator", "setting")},
        knob=estimator.declares.knob,
        sample=0,
        seed=seed,
        status="ok",
        reason="",
        loss=nothing,
        abs_error=nothing,
        rel_error=nothing,
        abs_error_x0=nothing,
        abs_error_theta=nothing,
        bias=nothing,
        deviation=nothing,
        reference_uncertainty=nothing,
        f_evals=0,
        vjp_evals=0,
        jvp_evals=0,
        jac_evals=0,
        evals=0,
        steps=0,
        stored_bytes=nothing,
        peak_bytes=nothing,
        wall_s=nothing,
        wall_ratio=nothing,
        wall_ratio_spread=nothing,
    )


def failed_records(
    cell: Cell, estimator: Estimator, seed: int, status: Status, reason: str
) -> list[Record]:
    """Records of a cell that was ended from outside."""
    blank = replace(blank_record(cell, estimator, seed), status=status, reason=reason)
    return [replace(blank, sample=sample) for sample in range(cell.samples)]


def _record(
    blank: Record,
    outcome: Outcome,
    reference: Reference,
    sample: int,
) -> Record:
    meter, samples = outcome.meter, len(outcome.meter.f_evals)
    counts: dict[str, Any] = {
        name: int(getattr(meter, name)[sample])
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
    estimate = outcome.estimate
    if estimate is None:
        return counted
    estimates = outcome.replicates or (estimate,)
    off_x0 = np.stack([one.grad_x0[sample] - reference.grad_x0[sample] for one in estimates])
    off_theta = np.stack(
        [one.grad_theta[sample] - reference.grad_theta[sample] for one in estimates]
    )
    off = np.hstack([off_x0, off_theta])
    reason = next((one.failed[sample] for one in estimates if sample in one.failed), "")
    if not reason and not np.isfinite(off).all():
        reason = "the gradient is not finite"
    if reason:
        return replace(counted, status="diverged", reason=reason)
    size = float(np.linalg.norm(reference.gradient[sample]))
    error = _root_mean_square(off)
    bias, deviation = bias_and_deviation(off) if outcome.replicates else (np.nan, np.nan)
    return replace(
        counted,
        loss=float(np.mean([one.loss[sample] for one in estimates])),
        abs_error=error,
        rel_error=error / size,
        abs_error_x0=_root_mean_square(off_x0),
        abs_error_theta=_root_mean_square(off_theta),
        bias=bias / size,
        deviation=deviation / size,
        steps=int(estimate.steps[sample]),
    )


def _root_mean_square(off: Array) -> float:
    """Of the norms of K errors (K, m)."""
    return float(np.linalg.norm(off) / np.sqrt(len(off)))


def bias_and_deviation(off: Array) -> tuple[float, float]:
    """Norm of the mean error, and the root of the trace of the covariance, of K errors (K, m).

    The squares are unbiased: the covariance over K - 1, and from the mean's square its own sampling
    error, deviation^2 / K, is taken; where that is more than there is, 0 is left.
    """
    mean = off.mean(axis=0)
    variance = float(np.square(off - mean).sum() / (len(off) - 1))
    return float(np.sqrt(max(0.0, mean @ mean - variance / len(off)))), float(np.sqrt(variance))


@contextmanager
def address_space(cell_bytes: int) -> Iterator[None]:
    """Let the kernel refuse this process more than `cell_bytes` and some headroom from here on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + cell_bytes + HEADROOM_BYTES
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
