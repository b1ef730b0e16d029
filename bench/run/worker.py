"""Worker processes: how many side by side, and how each of them starts."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pebble
from threadpoolctl import threadpool_limits

from gradpareto.bench.run.threads import ONE_THREAD


@contextmanager
def worker_pool(workers: int) -> Iterator[pebble.ProcessPool]:
    """Open a pool of worker processes, which is stopped at once if anything is raised."""
    context = multiprocessing.get_context("spawn")
    with pebble.ProcessPool(workers, initializer=start_worker, context=context) as pool:
        try:
            yield pool
        except BaseException:
            # Otherwise leaving the pool would wait for what is still queued.
            pool.stop()  # type: ignore[no-untyped-call, unused-ignore]
            raise


def start_worker() -> None:
    """Hold this process to one thread, so that workers do not share cores.

    The parent handles an interrupt. Whatever an estimator prints goes to standard error: the result
    is on standard output.
    """
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(ONE_THREAD)
    threadpool_limits(1)  # what is loaded already
