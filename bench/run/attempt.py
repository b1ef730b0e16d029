"""One call of an estimator: timed, guarded against whatever it does, and counted."""

import resource
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import psutil

from gradpareto.bench.reasons import message_of, reason_of
from gradpareto.bench.run.allowance import limited
from gradpareto.bench.run.meter import Meter, StoreMeter, with_meter
from gradpareto.bench.run.validation import taken
from gradpareto.bench.store.record import Status
from gradpareto.estimators import Estimate, Estimator
from gradpareto.systems import Array, Problem
from gradpareto.systems.faults import Unsound

HEADROOM_BYTES = 512 * 2**20
"""Address space beyond a cell's budget, for the interpreter and its libraries."""


@dataclass(frozen=True)
class Called:
    """The outcome of a call: an estimate, or the reason why there is none.

    `seconds` is its time, and `peak_bytes` the most memory it held if memory is traced (else NaN).
    """

    estimate: Estimate | None
    status: Status
    reason: str
    seconds: float
    peak_bytes: float


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
    seconds: float = np.nan
    peak_bytes: float = np.nan
    times: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    replicates: tuple[Estimate, ...] = ()


def attempt(
    estimator: Estimator,
    problem: Problem,
    x0: Array,
    setting: float,
    replicate: int = 0,
    allowance: float = np.inf,
) -> Outcome:
    """Call the estimator once, counted and timed; an exception becomes an outcome.

    Counting takes a few per cent of the time, of the baseline too. Replicates after the first have
    seeds of their own. A sample that takes more evaluations than `allowance` is given up.
    """
    meter = Meter(len(x0))

    def watched(given: Problem) -> Problem:
        if allowance < np.inf:
            return limited(given, meter, allowance)
        return with_meter(given, meter)

    found = called(estimator, problem, x0, setting, replicate, watched)
    return Outcome(
        found.estimate, found.status, found.reason, meter, found.seconds, found.peak_bytes
    )


@contextmanager
def memory_traced() -> Iterator[None]:
    """Trace the memory that is held inside, which slows what is called."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def stored_bytes(estimator: Estimator, problem: Problem, x0: Array, setting: float) -> float:
    """Return the bytes a lane that a gradient has stored when its backward pass begins.

    They are NaN if there is no backward pass. Memory is traced, which slows what is called, and the
    gradient ends there.
    """
    with memory_traced():
        meter = StoreMeter(len(x0))
        called(estimator, problem, x0, setting, 0, partial(with_meter, meter=meter))
    return np.nan if meter.stored_bytes is None else meter.stored_bytes


def called(
    estimator: Estimator,
    problem: Problem,
    x0: Array,
    setting: float,
    replicate: int,
    watched: Callable[[Problem], Problem] = lambda given: given,
    clock: Callable[[], float] = perf_counter,
) -> Called:
    """Call the estimator once, with copies of what it may not change, and say what came of it.

    `watched` may put a meter around the problem that the estimator sees.
    """
    tracing = tracemalloc.is_tracing()
    # With tracing on, x0 is copied but theta is not: an earlier run showed that the estimator
    # leaves theta alone, and the copy would be counted.
    private = problem if tracing else problem.with_theta(problem.theta.copy())
    given, x0_copy = watched(private), x0.copy()
    kept: Estimate | None = None
    start = clock()
    seconds = peak = np.nan
    try:
        found = (_reseeded(estimator, replicate) if replicate else estimator)(
            given, x0_copy, setting
        )
        seconds = clock() - start
        peak = tracemalloc.get_traced_memory()[1] if tracing else np.nan
        # A copy, since an estimator may write its next result into the same arrays.
        kept, status, reason = taken(found, problem, x0)
    except MemoryError:
        status, reason = "memory", "allocated more than its budget of memory"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not _uninterrupted():
            raise
        # A fault of a system names the system's method by itself.
        told = message_of if isinstance(error, Unsound) else reason_of
        status, reason = "raised", told(error)
    if changed := _changed(x0=(x0_copy, x0), theta=(private.theta, problem.theta)):
        status, reason = "mutated", f"changed {changed}, which is not its own: copy it first"
    return Called(kept if status == "ok" else None, status, reason, seconds, peak)


def _changed(**arrays: tuple[Array, Array]) -> str:
    """Return the name of an array that is not as it was before; "" if all are."""
    changed = (name for name, (now, then) in arrays.items() if now.tobytes() != then.tobytes())
    return next(changed, "")


def _reseeded(estimator: Any, replicate: int) -> Any:
    own = getattr(estimator, "reseeded", None)  # a plug-in's, wherever it is loaded
    return own(replicate) if own else replace(estimator, seed=estimator.seed + replicate)


def _uninterrupted() -> bool:
    """Tell whether no person can have interrupted this process, which is a worker."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def address_limit(cell_bytes: int) -> int:
    """Return the address space of this process with `cell_bytes` and HEADROOM_BYTES more."""
    limit = int(psutil.Process().memory_info().vms) + cell_bytes + HEADROOM_BYTES
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)


@contextmanager
def address_space(cell_bytes: int) -> Iterator[None]:
    """Have the kernel refuse this process more than `cell_bytes` and HEADROOM_BYTES from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_limit(cell_bytes), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
