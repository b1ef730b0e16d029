"""Runs the checks of an estimator, each in a worker process that it may bring down."""

import contextlib
import signal
from collections.abc import Callable
from concurrent.futures import TimeoutError as CheckTimeout

import numpy as np
import pebble

from gradpareto.bench.conformance import accuracy, behaviour
from gradpareto.bench.conformance.finding import Finding
from gradpareto.bench.run.measure import address_space
from gradpareto.bench.run.worker import worker_pool
from gradpareto.estimators import ESTIMATORS, Estimator

CHECKS: dict[str, Callable[[Estimator], Finding]] = {
    check.__name__: check
    for check in (
        behaviour.answer,
        accuracy.gradient,
        accuracy.order,
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
"""The checks, in the order they are reported. If `answer` fails, the others are not run."""
CHECK_BYTES = 4 * 2**30


def check_all(names: list[str], seconds: float, workers: int) -> dict[str, list[Finding]]:
    """The findings for each estimator by its name. A check may take `seconds` at most."""
    with worker_pool(workers) as pool:
        return {name: _findings(pool, name, seconds) for name in names}


def _findings(pool: pebble.ProcessPool, name: str, seconds: float) -> list[Finding]:
    given = ESTIMATORS[name]

    def start(check: str) -> pebble.ProcessFuture[Finding]:
        return pool.schedule(run_check, (check, given), timeout=seconds)

    first, *rest = CHECKS
    found = [_outcome(start(first), first, seconds)]
    if found[0].status == "failed":
        return found
    futures = {check: start(check) for check in rest}
    return found + [_outcome(future, check, seconds) for check, future in futures.items()]


def run_check(check: str, estimator: Estimator) -> Finding:
    """Run one check. If the estimator raises, that is a failed finding."""
    with contextlib.ExitStack() as stack:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a worker
            stack.enter_context(address_space(CHECK_BYTES))
        stack.enter_context(np.errstate(all="ignore"))
        try:
            return CHECKS[check](estimator)
        except BaseException as error:
            line = (str(error).splitlines() or [""])[0]
            return _broken(check, f"it raised {type(error).__name__}: {line}"[:300])


def _outcome(future: pebble.ProcessFuture[Finding], check: str, seconds: float) -> Finding:
    try:
        return future.result()
    except CheckTimeout:
        return _broken(check, f"not finished within {seconds:g} s")
    except pebble.ProcessExpired as error:
        return _broken(check, f"the process ended with exit code {error.exitcode}")


def _broken(check: str, seen: str) -> Finding:
    expected = (CHECKS[check].__doc__ or "").splitlines()[0]
    return Finding(
        check,
        "failed",
        expected,
        seen,
        f"call gradpareto.bench.conformance.kit.CHECKS[{check!r}](estimator) to see where",
    )


def passes(findings: list[Finding]) -> bool:
    """Whether no check failed."""
    return all(finding.status != "failed" for finding in findings)
