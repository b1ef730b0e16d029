"""Measures an estimator from outside in a process of its own, whose calls are counted here."""

import fcntl
import json
import math
import multiprocessing
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from gradpareto.bench.own_process import own_process
from gradpareto.bench.plugins.plugin_estimator import GuestEstimator, SentEstimator
from gradpareto.bench.plugins.source import Source
from gradpareto.bench.reasons import in_a_line
from gradpareto.bench.run.attempt import Outcome
from gradpareto.bench.run.engines.processes import FROM_OUTSIDE
from gradpareto.bench.run.guest import Task, serve
from gradpareto.bench.run.meter import Meter
from gradpareto.bench.run.tally import Tally
from gradpareto.bench.run.validation import EXPECTED, taken
from gradpareto.bench.store.record import Status
from gradpareto.estimators import Estimate
from gradpareto.systems import Array, Problem

START_SECONDS = 60.0
TICK = 0.005
"""The seconds after which reports are read again: a pipe holds some thousand of them."""
LONGEST_ANSWER = 2**20
TOLD: tuple[Status, ...] = ("ok", "raised", "shape", "memory", "mutated")
"""The statuses that a process may give its own call."""
LOST = "not all of its calls were reported"


class Ended(Exception):  # noqa: N818
    """The process of a cell has ended, or was ended, before it answered; it says how."""

    def __init__(self, status: Status, reason: str, from_outside: bool = False) -> None:
        super().__init__(reason)
        self.status, self.reason, self.from_outside = status, reason, from_outside


@dataclass(frozen=True)
class Limits:
    """The time and the memory that a cell may take."""

    seconds: float
    bytes: int


@contextmanager
def guest_runs(
    estimator: GuestEstimator,
    problem: Problem,
    x0: Array,
    setting: float,
    sources: tuple[Source, ...],
    limits: Limits,
    references: Path,
) -> Iterator["GuestRuns"]:
    """Start a process for a cell, whose system is of the plug-ins at `sources`, if it is of any.

    The runs raise Ended if the process ends, or takes more than its time.
    """
    packed = pickle.dumps((estimator, problem, x0, setting))
    task = Task(packed, sources, limits.bytes, references)
    channel, theirs = multiprocessing.Pipe()
    reports, written = multiprocessing.Pipe(duplex=False)
    script = isinstance(estimator, SentEstimator)
    with channel, reports, own_process(serve, theirs, written, task, with_script=script) as process:
        theirs.close()
        written.close()
        _widen(reports)
        runs = GuestRuns(channel, reports, process, Tally(problem, len(x0)))
        runs.start(limits.seconds)
        yield runs


def _widen(reports: Connection) -> None:
    """Let the pipe hold as much as the system allows, where that can be asked for."""
    os.set_blocking(reports.fileno(), False)
    with suppress(AttributeError, OSError):
        fcntl.fcntl(reports.fileno(), fcntl.F_SETPIPE_SZ, 2**20)


class GuestRuns:
    """The runs of a cell in its process."""

    def __init__(self, channel: Connection, reports: Connection, process: Any, tally: Tally):
        self._channel, self._reports, self._process = channel, reports, process
        self._tally, self._deadline, self._loaded = tally, math.inf, False
        self._of_baseline: list[list[int]] = []

    def start(self, seconds: float) -> None:
        """Wait until the process is there, from when on it has these seconds in all."""
        self._seconds, self._deadline = seconds, time.monotonic() + START_SECONDS
        self._answer()
        self._deadline = time.monotonic() + seconds

    def baseline(self) -> float:
        """Return the seconds of the baseline in that process, or NaN."""
        answer = self._ask("baseline")
        meter, fault = self._tally.finish()
        counts = [meter.f_evals.tolist(), meter.vjp_evals.tolist(), meter.jac_evals.tolist()]
        self._of_baseline = self._of_baseline or counts
        if fault or counts != self._of_baseline:
            raise Ended("uncounted", fault or "evaluated rows in the baseline's time")
        return _number(answer.get("seconds"))

    def own(self, replicate: int = 0, traced: bool = False) -> Outcome:
        """Call the estimator once, with the seed of a replicate, and with memory traced or not."""
        if not self._loaded:
            self._load()
        answer = self._ask("own", replicate, traced)
        estimate, status, reason = self._estimate(answer)
        meter, fault = self._tally.finish()
        meter.stored_bytes = _number(answer.get("stored_bytes")) if traced else None
        if status == "ok" and self._tally.reports != answer.get("reports"):
            fault = LOST
        if status == "ok" and estimate is not None:
            fault = fault or _free(estimate, meter)
        if status == "ok" and fault:
            estimate, status, reason = None, "uncounted", fault
        seconds, peak = _number(answer.get("seconds")), _number(answer.get("peak_bytes"))
        return Outcome(estimate, status, reason, meter, seconds, peak)

    def _load(self) -> None:
        answer, self._loaded = self._ask("load"), True
        if answer.get("status") != "ok":
            raise Ended("raised", in_a_line(str(answer.get("reason"))))
        meter, fault = self._tally.finish()
        if fault or meter.evals.any():
            raise Ended("uncounted", "evaluated the problem while it was loaded")

    def _ask(self, *request: object) -> dict[str, Any]:
        with suppress(OSError):  # it has ended, and what is read next says how
            self._channel.send(request)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        try:
            answer = json.loads(self._receive(LONGEST_ANSWER))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Ended("raised", "its process sent an answer that cannot be read")
        return answer

    def _receive(self, longest: int) -> bytes:
        """Return the next message, and read the reports until it is there. Raises Ended."""
        while not self._channel.poll():
            if time.monotonic() > self._deadline:
                raise Ended("timeout", f"not finished within {self._seconds:g} s")
            ready = wait([self._channel, self._process.sentinel], TICK)
            self._read_reports()
            if self._process.sentinel in ready and not self._channel.poll():
                raise self._end()
        try:
            message = self._channel.recv_bytes(longest)
        except EOFError:
            raise self._end() from None
        except OSError:
            raise Ended("shape", f"its answer has more than {longest} bytes") from None
        self._read_reports()
        return message

    def _end(self) -> Ended:
        self._process.join(1.0)
        code = self._process.exitcode
        reason = f"the process measuring it ended with exit code {code}"
        return Ended("died", reason, code in FROM_OUTSIDE)

    def _read_reports(self) -> None:
        try:
            while content := os.read(self._reports.fileno(), 2**20):
                self._tally.read(content)
        except BlockingIOError:
            pass

    def _estimate(self, answer: dict[str, Any]) -> tuple[Estimate | None, Status, str]:
        """Return the estimate of an answer, its status and its reason, all of which are checked."""
        status, reason = answer.get("status"), in_a_line(str(answer.get("reason")))
        if status not in TOLD:
            raise Ended("raised", "its process sent an answer that cannot be read")
        if status != "ok":
            return None, status, reason
        problem, samples = self._tally.problem, self._tally.samples
        x0 = np.empty((samples, problem.system.state_dim))
        largest = 16 * samples * max(x0.shape[1], problem.policy.size, 1) + 64
        try:
            described = [(np.dtype(kind), tuple(shape)) for kind, shape in answer["arrays"]]
            failed = {int(lane): str(why) for lane, why in answer["failed"].items()}
            parts = [
                np.frombuffer(self._receive(largest), dtype).reshape(shape)
                for dtype, shape in described[: len(EXPECTED)]
            ]
            given = Estimate(**dict(zip(EXPECTED, parts, strict=True)), failed=failed)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return None, "shape", in_a_line(f"its answer cannot be used: {error}")
        return taken(given, problem, x0)


def _free(estimate: Estimate, meter: Meter) -> str:
    """Say which sample has a gradient without an evaluation; "" if none has."""
    free = [k for k in np.flatnonzero(meter.evals == 0).tolist() if k not in estimate.failed]
    return f"returned a gradient of sample {free[0]} without an evaluation" if free else ""


def _number(value: object) -> float:
    """Return a time or a size, or NaN if it is none."""
    return float(value) if isinstance(value, (int, float)) and value >= 0 else math.nan
