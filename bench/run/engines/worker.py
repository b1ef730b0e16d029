"""A worker process: how it starts, and how it does its tasks."""

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, TextIO

from threadpoolctl import threadpool_limits

from gradpareto.bench.own_process import end_with_parent, set_environment
from gradpareto.bench.run.engines.task import call, remember
from gradpareto.bench.threads import ONE_THREAD


class TaskFault(Exception):  # noqa: N818
    """A task raised what ends programs, or what cannot be sent: here it is in words."""


def serve(channel: Connection, output: Connection, environment: Mapping[str, str]) -> None:
    """Do the tasks that come over the channel, until its other end is closed.

    A task comes with the shared values that are new to this process. The answers are an empty
    message when it begins, and the pickled result or exception when it is done. What is printed
    goes to `output`.
    """
    start_worker(output, environment)
    kept: dict[str, bytes] = {}
    while True:
        try:
            task = channel.recv_bytes()
        except EOFError:
            return
        answer = _done(task, kept, channel)
        sys.stdout.flush()
        sys.stderr.flush()
        channel.send_bytes(answer)


def start_worker(output: Connection, environment: Mapping[str, str]) -> None:
    """Hold this process to one thread, so that workers do not share cores.

    It has the environment of its parent, which handles an interrupt, and ends when that does.
    Whatever is printed goes to `output`.
    """
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    sys.stdout, sys.stderr = _line_by_line(1), _line_by_line(2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    set_environment({**environment, **ONE_THREAD})
    threadpool_limits(1)  # what is loaded already


def _line_by_line(descriptor: int) -> TextIO:
    """Open a stream on which anything can be printed, whatever the locale and the characters."""
    return open(
        descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )


def _done(message: bytes, kept: dict[str, bytes], channel: Connection) -> bytes:
    """Do a task, and return the pickled answer: whether it returned, and its result or error."""
    begun = False
    try:
        parts, packed = pickle.loads(message)
        remember(kept, parts)
        do = call(packed, kept)
        channel.send_bytes(b"")
        begun = True
        return pickle.dumps((True, do()))
    except BaseException as error:
        if not begun:
            channel.send_bytes(b"")
        return _raised(error)


def _raised(error: BaseException) -> bytes:
    """Pickle an exception; one that ends programs, or cannot be sent, becomes a TaskFault."""
    if isinstance(error, Exception):
        error.add_note("".join(traceback.format_exception(error)))
        try:
            packed = pickle.dumps((False, error))
            pickle.loads(packed)
        except Exception:
            pass
        else:
            return packed
    line = (_text(error).splitlines() or [""])[0][:200]
    return pickle.dumps((False, TaskFault(f"{type(error).__name__}: {line}")))


def _text(error: BaseException) -> Any:
    try:
        return str(error)
    except Exception:
        return ""
