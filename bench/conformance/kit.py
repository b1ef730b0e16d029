"""Runs the checks of an estimator, each in a worker process that it may bring down."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed

import numpy as np

from gradpareto.bench.conformance import accuracy, behaviour, convergence
from gradpareto.bench.conformance.finding import Finding
from gradpareto.bench.conformance.probes import probes
from gradpareto.bench.reasons import reason_of
from gradpareto.bench.run.attempt import address_space
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import Died, Limited, TimedOut
from gradpareto.estimators import ESTIMATORS, Estimator

CHECKS: dict[str, Callable[[Estimator], Finding]] = {
    check.__name__: check
    for check in (
        behaviour.answer,
        accuracy.gradient,
        convergence.order,
        convergence.limit,
        convergence.last_step,
        convergence.exactness,
        accuracy.lanes,
        accuracy.breakpoints,
        behaviour.memory,
        behaviour.inputs,
        behaviour.oracles,
        behaviour.precision,
        behaviour.float64,
        behaviour.repeats,
    )
}
"""The checks by name. If `answer` does not pass, the others are not run."""
CHECK_BYTES = 4 * 2**30
PATIENCE = 10.0
"""A check that waits (it sleeps, or is stuck) uses no processor time: it is ended after this many
times the seconds of processor time that it may use. A machine may be as busy as that."""


def check_all(
    names: Sequence[str], seconds: float, jobs: int, seed: int | None = None
) -> Iterator[tuple[str, Finding | None]]:
    """Yield each finding, with its estimator's name, as soon as it is there.

    A check may take `seconds` of processor time. Its problems are moved by the `seed`, if there is
    one. After the last finding of an estimator comes None.
    """
    with Processes(jobs) as pool:
        for name in names:
            for finding in _findings(pool, name, seconds, seed):
                yield name, finding
            yield name, None


def _findings(pool: Processes, name: str, seconds: float, seed: int | None) -> Iterator[Finding]:
    given = ESTIMATORS[name]

    def start(check: str) -> Future[Finding]:
        patience = max(PATIENCE * seconds, 1.0)
        return pool.submit(Limited(run_check, patience), check, given, seconds, seed)

    first, *rest = CHECKS
    answer = _outcome(start(first), first, seconds)
    yield answer
    if answer.status != "passed":
        return
    futures: dict[Future[Finding], str] = {start(check): check for check in rest}
    for future in as_completed(futures):
        yield _outcome(future, futures[future], seconds)


def run_check(
    check: str, estimator: Estimator, seconds: float | None = None, seed: int | None = None
) -> Finding:
    """Run one check. If the estimator raises, that is a failed finding.

    Its problems are moved by the `seed`, so that nobody knows their gradients; None leaves them.
    In a worker, the kernel ends the process once it has used `seconds` of processor time.
    """
    with contextlib.ExitStack() as stack:
        if seconds is not None:
            stack.enter_context(_processor_time(seconds))
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a worker
            stack.enter_context(address_space(CHECK_BYTES))
        stack.enter_context(np.errstate(all="ignore"))
        stack.enter_context(probes(seed))
        try:
            return CHECKS[check](estimator)
        except BaseException as error:
            return _broken(check, f"it raised {reason_of(error)}")


@contextlib.contextmanager
def _processor_time(seconds: float) -> Iterator[None]:
    """Have the kernel end this process after `seconds` of processor time, whatever it is doing."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _outcome(future: Future[Finding], check: str, seconds: float) -> Finding:
    try:
        return future.result()
    except TimedOut:
        return _timeout(
            check, f"not finished within {PATIENCE * seconds:g} s, in which it mostly waited"
        )
    except Died as error:
        if error.exitcode == -signal.SIGPROF:
            return _timeout(check, f"not finished within {seconds:g} s of processor time")
        return _broken(check, f"the process ended with exit code {error.exitcode}")


def _timeout(check: str, seen: str) -> Finding:
    advice = (
        "this says nothing about right or wrong: allow more with --seconds, or declare a `tight` "
        "that takes less time"
    )
    return Finding(check, "timeout", _expected(check), seen, advice)


def _broken(check: str, seen: str) -> Finding:
    return Finding(
        check,
        "failed",
        _expected(check),
        seen,
        f"call gradpareto.bench.conformance.kit.CHECKS[{check!r}](estimator) to see where",
    )


def _expected(check: str) -> str:
    return (CHECKS[check].__doc__ or "").splitlines()[0]
