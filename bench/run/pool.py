"""A pool of worker processes: each has one task at a time, and its end is that task's alone."""

import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from gradpareto.bench.own_process import process_context
from gradpareto.bench.run.worker import serve

FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)
"""The exit codes of a process that somebody else ended, or the system, which was out of memory."""
REPEATS = 2
"""The number of times that a task is done again after its worker was ended from outside."""
MOST_BYTES = 20_000
"""The bytes that a task may print; what is beyond is counted, and left out."""


class Died(Exception):  # noqa: N818
    """The process of a task ended before the task was done."""

    def __init__(self, exitcode: int | None) -> None:
        super().__init__(f"its process ended with exit code {exitcode}")
        self.exitcode = exitcode


class TimedOut(Exception):  # noqa: N818
    """A task took more than its time."""


class _Stopped(Exception):  # noqa: N818
    """The pool is being stopped."""


@dataclass(frozen=True)
class _Task:
    packed: bytes
    timeout: float | None
    future: Future[Any]


class Pool:
    """Workers side by side. A thread looks after each, and starts another in the place of one lost.

    Tasks are begun in the order in which they are scheduled. A future raises what its task raised,
    Died, or TimedOut. What a task prints goes to standard error, up to MOST_BYTES of it.
    """

    def __init__(self, workers: int) -> None:
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._stopping, self._stop = multiprocessing.Pipe(duplex=False)
        resource_tracker.ensure_running()  # by this thread, which unblocks the interrupt
        self._context = process_context()
        self._threads = [
            threading.Thread(target=self._look_after, daemon=True) for _ in "1" * workers
        ]
        for thread in self._threads:
            thread.start()

    def schedule(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float | None = None
    ) -> Future[Any]:
        """Have a worker call function(*arguments), for at most `timeout` seconds."""
        task = _Task(pickle.dumps((function, arguments)), timeout, Future())
        self._tasks.put(task)
        return task.future

    def close(self) -> None:
        """Wait until all tasks are done, and end the workers."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """End the workers, whatever they are doing."""
        self._stop.close()
        self.close()

    def _look_after(self) -> None:
        """Do one task after another, until there are no more."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # which its processes inherit
        worker: _Worker | None = None
        try:
            while (task := self._tasks.get()) is not None:
                worker = self._do(task, worker)
        except _Stopped:
            pass
        finally:
            if worker:
                worker.end()

    def _do(self, task: _Task, worker: "_Worker | None") -> "_Worker | None":
        """Settle a task's future. Return the worker, unless it has ended."""
        for left in reversed(range(REPEATS + 1)):
            try:
                worker = worker or _Worker(self._context, self._stopping)
                task.future.set_result(worker.do(task))
            except (Died, TimedOut) as error:
                if worker:
                    worker.end()
                worker = None
                if left and isinstance(error, Died) and error.exitcode in FROM_OUTSIDE:
                    continue
                task.future.set_exception(error)
            except Exception as error:
                task.future.set_exception(error)
            break
        return worker


class _Worker:
    """One process, with a channel for its tasks and a pipe for what it prints."""

    def __init__(self, context: Any, stopping: Connection) -> None:
        self._channel, theirs = context.Pipe()
        self._output, written = context.Pipe(duplex=False)
        self._stopping = stopping
        self._process = context.Process(target=serve, args=(theirs, written, dict(os.environ)))
        self._process.start()
        theirs.close()
        written.close()

    def do(self, task: _Task) -> Any:
        """Return the result of a task, or raise what it raised, Died, TimedOut or _Stopped."""
        printed = _Printed()
        try:
            with suppress(OSError):  # the process has ended, and what is read next says so
                self._channel.send_bytes(task.packed)
            self._receive(printed, None)  # the task is unpacked, and begins
            fine, value = pickle.loads(self._receive(printed, task.timeout))
        finally:
            self._forward(printed)
            printed.say_what_is_left_out()
        if fine:
            return value
        raise value

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        for connection in (self._channel, self._output):
            connection.close()

    def _receive(self, printed: "_Printed", timeout: float | None) -> bytes:
        deadline = None if timeout is None else time.monotonic() + timeout
        watched: list[Any] = [self._channel, self._process.sentinel, self._output, self._stopping]
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            ready = wait(watched, left)
            if self._stopping in ready:
                raise _Stopped
            if self._output in ready and not printed.take(self._output.fileno()):
                watched.remove(self._output)
            if self._channel in ready:
                with suppress(EOFError, OSError):
                    message: bytes = self._channel.recv_bytes()
                    return message
            if self._channel in ready or self._process.sentinel in ready:
                self._process.join()
                raise Died(self._process.exitcode)
            if not ready:
                raise TimedOut(f"not finished within {timeout:g} s")

    def _forward(self, printed: "_Printed") -> None:
        """Forward what is in the pipe by now, also after the process has ended."""
        while wait([self._output], 0) and printed.take(self._output.fileno()):
            pass


class _Printed:
    """Forwards the beginning of what a task prints, and counts the rest."""

    def __init__(self) -> None:
        self.room, self.left_out = MOST_BYTES, 0

    def take(self, descriptor: int) -> bool:
        """Read what is there, and forward it. Return whether there can be more."""
        content = os.read(descriptor, 2**16)
        shown = content[: self.room]
        self.room -= len(shown)
        self.left_out += len(content) - len(shown)
        self._say(shown)
        return bool(content)

    def say_what_is_left_out(self) -> None:
        if self.left_out:
            self._say(f"\ngradpareto: {self.left_out:,} more bytes were printed here\n".encode())

    def _say(self, content: bytes) -> None:
        with suppress(OSError):  # nobody may be there to read it
            while content:
                content = content[os.write(2, content) :]


@contextmanager
def worker_pool(workers: int) -> Iterator[Pool]:
    """Open a pool of worker processes, which is stopped at once if anything is raised."""
    pool = Pool(workers)
    try:
        yield pool
    except BaseException:
        pool.stop()
        raise
    pool.close()
