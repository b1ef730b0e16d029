"""Runs a task on a Dask worker: in a process of its own, which it may bring down.

So a time-out, a crash or a lack of memory ends the task and not the worker, as it does on one
machine.
"""

import multiprocessing
import os
import pickle
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from multiprocessing.util import Finalize

from distributed import get_worker

from gradpareto.bench.plugins.luggage import set_root, unpack
from gradpareto.bench.run.engines.code_version import code_version, difference
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import EngineLost, Shared, Task

_STARTING = threading.Lock()


def do(
    version: Mapping[str, str],
    packed: bytes,
    keys: tuple[str, ...],
    seconds: float | None,
    luggage: bytes,
    *parts: bytes,
) -> bytes:
    """Do a task, and return the pickled answer: whether it returned, and its result or error.

    `parts` are the shared values of the `keys`, and `luggage` is pickled too, or empty. The answer
    is EngineLost where the code of this worker is of another `version`.
    """
    own = Task(packed, tuple(map(Shared, keys, parts)), seconds)
    try:
        if told := difference(code_version(), version):
            raise EngineLost(f"the worker {get_worker().address} has other code: {told}")
        with _STARTING:
            processes = _processes()
        if luggage:
            unpack(pickle.loads(luggage), get_worker().address)
        return pickle.dumps((True, processes.submit_task(own).result()))
    except Exception as error:
        return pickle.dumps((False, error))


@cache
def _processes() -> Processes:
    """Start the processes of this worker, one for each of its threads. They end with it."""
    # A worker whose nanny may end it at any time must not have children, unless they end with it.
    multiprocessing.current_process().daemon = False
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)  # of Dask: see `systems/freed_memory.py`
    place = tempfile.TemporaryDirectory(prefix="gradpareto-")
    set_root(place.name)
    processes = Processes(get_worker().state.nthreads)
    Finalize(None, place.cleanup, exitpriority=10)
    Finalize(None, processes.stop, exitpriority=20)
    return processes


def pickled(value: bytes) -> bytes:
    """Return a value: a task whose result Dask can make again on another worker."""
    return value
