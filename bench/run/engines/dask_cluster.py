"""An executor on the workers of a Dask cluster, on this machine or on many."""

import logging
import pickle
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import dask
import distributed
from distributed import Client, LocalCluster
from distributed import Future as Sent
from distributed.scheduler import KilledWorker

from gradpareto.bench.own_process import no_script, without_interrupts
from gradpareto.bench.reasons import reason_of
from gradpareto.bench.run.engines.address import local_workers
from gradpareto.bench.run.engines.code_version import code_version, difference
from gradpareto.bench.run.engines.dask_worker import do, pickled
from gradpareto.bench.run.engines.task import Died, EngineLost, Limited, Shared, Task, Workers
from gradpareto.bench.threads import ONE_THREAD

CONNECT_SECONDS = 5.0
"""A scheduler answers within these."""
EXCLUSIVE = "exclusive"
"""The resource of a worker whose cores nobody else uses: dask worker --resources exclusive=1."""
FRESH_SECONDS = 1.0
"""The number of workers is asked for again after these, since they come and go."""
_ENVIRONMENT = {"distributed.nanny.pre-spawn-environ": dict(ONE_THREAD)}
"""Dask's own has MALLOC_TRIM_THRESHOLD_ too, also for this process, which makes arrays slow
(`systems/freed_memory.py`)."""
KEPT = "finished cells are kept, and the same command continues"


class DaskCluster(Workers):
    """The workers of the scheduler at an address, or those of a cluster of its own for local:N.

    Raises EngineLost if nobody answers there, or if the code of the scheduler or of a worker is of
    another version. A task that was lost with its worker is done again on another one.
    """

    def __init__(self, address: str) -> None:
        self._address, self._stack = address, ExitStack()
        self._number, self._name = count(), uuid.uuid4().hex[:8]
        self._sent: WeakKeyDictionary[Shared, Sent] = WeakKeyDictionary()
        self._settling = threading.Lock()
        self._under_way: dict[Sent, Future[Any]] = {}
        self._asked, self._workers = 0.0, dict[str, Any]()
        _be_quiet()
        try:
            self._client = self._stack.enter_context(_connected(self._open(), address))
            _check_scheduler(self._client, address)
            _wait_for_a_worker(self._client, address)
            _check_workers(self._client)
        except BaseException:
            self._stack.close()
            raise

    @property
    def side_by_side(self) -> int:
        return max(1, sum(int(one["nthreads"]) for one in self._known().values()))

    @property
    def exclusive(self) -> int:
        return max(1, self._exclusive_threads())

    @property
    def far(self) -> bool:
        return True

    def begin(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        task, settled = Task.of(function, arguments), Future[Any]()
        luggage = function.luggage if isinstance(function, Limited) else None
        alone = isinstance(function, Limited) and function.alone and self._exclusive_threads()
        settled.set_running_or_notify_cancel()
        keys = tuple(one.key for one in task.shared)
        sent = self._client.submit(
            do,
            code_version(),
            task.packed,
            keys,
            task.seconds,
            self._share(luggage) if luggage else b"",
            *map(self._share, task.shared),
            key=f"task-{self._name}-{next(self._number)}",
            resources={EXCLUSIVE: 1} if alone else None,
        )
        self._under_way[sent] = settled
        sent.add_done_callback(partial(self._settle, settled))
        return settled

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster when all tasks are done; one of its own ends."""
        while wait and not cancel_futures and self._under_way:
            time.sleep(0.01)
        with self._settling:
            self._under_way.clear()
        self._stack.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _open(self) -> str:
        """Return the address of the scheduler, of a cluster that is started here if need be.

        It listens on this machine alone, and serves no pages.
        """
        workers = local_workers(self._address)
        if not workers:
            return self._address
        try:
            # The script's estimators do not travel, and an interrupt is answered here alone.
            with no_script(), without_interrupts(), dask.config.set(_ENVIRONMENT):
                cluster = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                    memory_limit=0,  # a cell's own budget holds in its process
                    silence_logs=logging.CRITICAL,
                )
        except Exception as error:
            told = f"no Dask cluster starts for {self._address}: {reason_of(error)}"
            raise EngineLost(told) from error
        self._stack.enter_context(cluster)
        return str(cluster.scheduler_address)

    def _share(self, value: Shared) -> Sent:
        """Send a value once: any worker gets it from another one, or makes it again from here."""
        if value not in self._sent:
            key = f"shared-{self._name}-{value.key}"
            self._sent[value] = self._client.submit(pickled, value.packed, key=key)
        return self._sent[value]

    def _settle(self, settled: Future[Any], sent: Sent) -> None:
        """Give a future what its task returned or raised."""
        try:
            fine, value = pickle.loads(sent.result())
        except KilledWorker as error:
            fine, value = False, Died(None, f"was lost with its worker, {_times(error)} times")
        except BaseException as error:
            told = f"the Dask scheduler at {self._address} is gone ({reason_of(error)}); {KEPT}"
            fine, value = False, EngineLost(told)
        with self._settling:
            if self._under_way.pop(sent, None) is None:
                return
        if fine:
            settled.set_result(value)
        else:
            settled.set_exception(value)

    def _known(self) -> Mapping[str, Any]:
        """Return what the scheduler knows of its workers, by their addresses."""
        if time.monotonic() - self._asked > FRESH_SECONDS:
            self._workers = _workers(self._client) or self._workers
            self._asked = time.monotonic()
        return self._workers

    def _exclusive_threads(self) -> int:
        has = (one for one in self._known().values() if one["resources"].get(EXCLUSIVE))
        return sum(int(one["resources"][EXCLUSIVE]) for one in has)


def _times(error: KilledWorker) -> int:
    return int(error.allowed_failures) + 1


def _be_quiet() -> None:
    """Leave what is to be said about a cluster to the exceptions of this module."""
    for name in list(logging.Logger.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _connected(scheduler: str, address: str) -> Client:
    """Return a client of a scheduler.

    It is made in a thread, since one whose connection is taken and never answered waits for ever.
    """
    made: Future[Client] = Future()

    def make() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions, which _check_scheduler refuses
            try:
                made.set_result(Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False))
            except Exception as error:
                made.set_exception(error)

    threading.Thread(target=make, daemon=True).start()
    try:
        return made.result(2 * CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        told = f"no Dask scheduler answers at {address} within {CONNECT_SECONDS:g} s"
        raise EngineLost(told) from error
    except Exception as error:
        told = f"the Dask scheduler at {address} cannot be used: {reason_of(error)}"
        raise EngineLost(told) from error


def _check_scheduler(client: Client, address: str) -> None:
    try:
        found = client.get_versions()["scheduler"]["packages"]
        there = {"distributed": found.get("distributed")}
    except Exception as error:
        told = f"the Dask scheduler at {address} cannot be used: {reason_of(error)}"
        raise EngineLost(told) from error
    here = {"distributed": str(distributed.__version__)}
    if told := difference(there, here):
        raise EngineLost(f"the Dask scheduler at {address} is of another version: {told}")


def _wait_for_a_worker(client: Client, address: str) -> None:
    if not _workers(client):
        told = f"no worker has joined the Dask scheduler at {address}: waiting until one has"
        print(told, file=sys.stderr, flush=True)
        client.wait_for_workers(1)


def _check_workers(client: Client) -> None:
    """Raise EngineLost if a worker has other code. (One that comes later says so of its tasks.)"""
    for worker, there in client.run(code_version, on_error="return").items():
        if told := difference(there, code_version()):
            raise EngineLost(f"the worker {worker} has other code: {told}")


def _workers(client: Client) -> dict[str, Any]:
    return dict(client.scheduler_info(n_workers=-1)["workers"])
