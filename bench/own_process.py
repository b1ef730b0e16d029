"""Processes of their own for code from outside, which the processes that judge never load."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from threadpoolctl import threadpool_limits

from gradpareto.bench.threads import ONE_THREAD

PRELOADED = ["gradpareto.bench.plugins", "gradpareto.bench.run.guest", "scipy.integrate"]
"""The server of processes has loaded these modules of the suite, none of which judges."""


@cache
def process_context() -> Any:
    """Return the context of `multiprocessing` in which processes are started.

    Where the system can fork, a server does so from a process that has loaded NumPy, SciPy and the
    estimators: a new one is there in some hundredths of a second. The server runs nobody's code,
    and holds neither a reference nor a meter. Elsewhere each process starts anew.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver  # noqa: PLC0415 (it is not there on Windows)

    if not _shared(forkserver):
        _start(forkserver)
    return multiprocessing.get_context("forkserver")


def _shared(forkserver: ModuleType) -> bool:
    """Use the server that started this process, if one did, and tell whether that is so.

    Its documentation says that a process of a server reuses it; CPython starts another one, which
    takes a second. A version that lacks one of these attributes gets that other one.
    """
    server: Any = getattr(forkserver, "_forkserver", None)
    known = getattr(server, "_forkserver_address", None) and getattr(
        server, "_forkserver_alive_fd", None
    )
    if not known or server._forkserver_pid is not None:
        return False
    if not getattr(server, "_forkserver_authkey", True):
        return False
    server.ensure_running = lambda: None
    return True


def _start(forkserver: Any) -> None:
    """Start the server, which finds modules where this process does."""
    forkserver.set_forkserver_preload(PRELOADED)
    before = dict(os.environ)
    # It is safe from what lies in the current folder by chance.
    found = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONSAFEPATH": "1", **ONE_THREAD}
    os.environ.update(found)
    try:
        with without_interrupts():
            forkserver.ensure_running()
    finally:
        set_environment(before)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Start processes that never see an interrupt: the process that started them ends them."""
    resource_tracker.ensure_running()  # which unblocks the interrupt in the thread that starts it
    held = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def set_environment(environment: Mapping[str, str]) -> None:
    """Give this process the environment of another one."""
    os.environ.clear()
    os.environ.update(environment)


@contextmanager
def own_process(
    function: Callable[..., None], *arguments: object, with_script: bool = False
) -> Iterator[Any]:
    """Run function(*arguments) in a process of its own, which is ended on leaving.

    Gives the process. It ends when this process does, whatever it is doing. What it prints goes to
    standard error. The script that started everything is loaded there only `with_script`.
    """
    context, errors = process_context(), Connection(os.dup(2), readable=False)
    process = context.Process(
        target=_run, args=(errors, dict(os.environ), function, arguments), daemon=True
    )
    try:
        if with_script:
            process.start()
        else:
            with no_script():
                process.start()
    finally:
        errors.close()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


@contextmanager
def no_script() -> Iterator[None]:
    """Hide the script of this process, which a new process would run again."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _run(
    errors: Connection,
    environment: Mapping[str, str],
    function: Callable[..., None],
    arguments: tuple[object, ...],
) -> None:
    for stream in (1, 2):
        os.dup2(errors.fileno(), stream)
    errors.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    threading.Thread(target=end_with_parent, daemon=True).start()
    set_environment({**environment, **ONE_THREAD})
    threadpool_limits(1)  # what is loaded already
    function(*arguments)


def end_with_parent() -> None:
    """Wait for the end of the process that started this one, and end this one at once."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
