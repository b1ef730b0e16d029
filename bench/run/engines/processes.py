"""Worker processes of this machine: each has one task at a time, and ends with it alone."""

import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from gradpareto.bench.own_process import process_context
from gradpareto.bench.run.engines.cores import cores
from gradpareto.bench.run.engines.task import Died, Task, TimedOut, Workers, remember
from gradpareto.bench.run.engines.worker import serve

FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)
"""The exit codes of a process that somebody else ended, or the system, which was out of memory."""
REPEATS = 2
"""The number of times that a task is done again after its worker was ended from outside."""
MOST_BYTES = 20_000
"""The bytes that a task may print; what is beyond is counted, and left out."""


class _Stopped(Exception):  # noqa: N818
    """The workers are being stopped."""


class Processes(Workers):
    """Workers side by side. A thread looks after each, and starts another in the place of one lost.

    Tasks are begun in the order in which they are submitted. A future raises what its task raised,
    Died, or TimedOut after the seconds of one that is `Limited`. What a task prints goes to
    standard error, up to MOST_BYTES of it. Where a `with` block is left by an exception, the
    workers are ended at once.

    If the processor has as many cores as there are workers, all are exclusive: the system gives
    each a core. They are not held to certain ones, which another command might be held to as well.
    """

    def __init__(self, jobs: int) -> None:
        self._tasks: queue.SimpleQueue[tuple[Task, Future[Any]] | None] = queue.SimpleQueue()
        self._stopping, self._stop = multiprocessing.Pipe(duplex=False)
        resource_tracker.ensure_running()  # by this thread, which unblocks the interrupt
        self._context, self._closed = process_context(), False
        self._threads = [threading.Thread(target=self._look_after, daemon=True) for _ in "1" * jobs]
        for thread in self._threads:
            thread.start()

    @property
    def side_by_side(self) -> int:
        return len(self._threads)

    @property
    def exclusive(self) -> int:
        return self.side_by_side if self.side_by_side <= cores() else 1

    def begin(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        return self.submit_task(Task.of(function, arguments))

    def submit_task(self, task: Task) -> Future[Any]:
        """Have a worker do a task that is packed."""
        if self._closed:
            raise RuntimeError("no task can be submitted after the shutdown")
        future: Future[Any] = Future()
        self._tasks.put((task, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers when all tasks are done, or those that have begun."""
        if cancel_futures:
            self._cancel()
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._tasks.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def stop(self) -> None:
        """End the workers, whatever they are doing."""
        self._stop.close()
        self.shutdown(cancel_futures=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.shutdown()
        else:
            self.stop()

    def _cancel(self) -> None:
        """Cancel the tasks that have not begun."""
        with suppress(queue.Empty):
            while True:
                waiting = self._tasks.get_nowait()
                if waiting is not None:
                    waiting[1].cancel()

    def _look_after(self) -> None:
        """Do one task after another, until there are no more."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # which its processes inherit
        worker: _Worker | None = None
        try:
            while (waiting := self._tasks.get()) is not None:
                task, future = waiting
                if future.set_running_or_notify_cancel():
                    worker = self._do(task, future, worker)
        except _Stopped:
            future.set_exception(Died(None))
        finally:
            if worker:
                worker.end()

    def _do(self, task: Task, future: Future[Any], worker: "_Worker | None") -> "_Worker | None":
        """Settle a task's future. Return the worker, unless it has ended."""
        for left in reversed(range(REPEATS + 1)):
            try:
                worker = worker or _Worker(self._context, self._stopping)
                future.set_result(worker.do(task))
            except (Died, TimedOut) as error:
                if worker:
                    worker.end()
                worker = None
                if left and isinstance(error, Died) and error.exitcode in FROM_OUTSIDE:
                    continue
                future.set_exception(error)
            except _Stopped:
                raise
            except Exception as error:
                future.set_exception(error)
            break
        return worker


class _Worker:
    """One process, with a channel for its tasks and a pipe for what it prints."""

    def __init__(self, context: Any, stopping: Connection) -> None:
        self._channel, theirs = context.Pipe()
        self._output, written = context.Pipe(duplex=False)
        self._stopping, self._kept = stopping, dict[str, bytes]()
        self._process = context.Process(target=serve, args=(theirs, written, dict(os.environ)))
        self._process.start()
        theirs.close()
        written.close()

    def do(self, task: Task) -> Any:
        """Return the result of a task, or raise what it raised, Died, TimedOut or _Stopped."""
        printed = _Printed()
        try:
            with suppress(OSError):  # the process has ended, and what is read next says so
                self._channel.send_bytes(self._message(task))
            self._receive(printed, None)  # the task is unpacked, and begins
            fine, value = pickle.loads(self._receive(printed, task.seconds))
        finally:
            self._forward(printed)
            printed.say_what_is_left_out()
        if fine:
            return value
        raise value

    def _message(self, task: Task) -> bytes:
        """Pickle a task, with those of its shared values that the process does not have yet."""
        parts = [(one.key, None if one.key in self._kept else one.packed) for one in task.shared]
        remember(self._kept, parts)
        return pickle.dumps((parts, task.packed))

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
