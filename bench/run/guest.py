"""One cell in a process of its own: the calls that the process which judges asks for.

It has the problem, the initial states and the setting. It never gets the reference, nor the meter:
`counted_calls` reports each call to the process that judges, whose side of this is `host.py`.
"""

import json
import os
import pickle
import resource
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from gradpareto.bench.plugins.plugin_estimator import GuestEstimator
from gradpareto.bench.plugins.sealed import Seal
from gradpareto.bench.plugins.source import Source, load, quiet
from gradpareto.bench.reasons import reason_of
from gradpareto.bench.run.attempt import Called, address_limit, called
from gradpareto.bench.run.counted_calls import CountedCalls
from gradpareto.bench.run.validation import EXPECTED
from gradpareto.estimators import ESTIMATORS, Estimate, Estimator
from gradpareto.systems import Array, Problem

BASELINE_STEPS = 100
Answer = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A cell as its process gets it.

    `packed` is the pickled tuple of an estimator, a problem, x0 and a setting, which can be read
    once the code of the systems at `sources` is loaded. `references` is the folder that stays
    closed.
    """

    packed: bytes
    sources: tuple[Source, ...]
    cell_bytes: int
    references: Path


class _Stored:
    """The bytes that are held when the backward pass begins, while memory is traced."""

    def __init__(self) -> None:
        self.bytes: float | None = None
        self._at_start: int | None = None

    def begin(self) -> None:
        self.bytes, self._at_start = None, tracemalloc.get_traced_memory()[0]

    def turn(self, rows: int) -> None:
        if self._at_start is not None:
            self.bytes = (tracemalloc.get_traced_memory()[0] - self._at_start) / rows
            self._at_start = None


def serve(channel: Connection, reports: Connection, task: Task) -> None:
    """Answer the requests that come over the channel, until its other end is closed.

    Answers are JSON, and bytes of arrays behind it. The estimator's code is loaded by the request
    "load". All that is needed afterwards is held here by then, so that code which replaces parts of
    a module changes nothing of it.
    """
    seal, stored, pipe = Seal(task.references), _Stored(), reports.fileno()
    count = _Sent(pipe)
    calls = CountedCalls(count, stored.turn)
    for source in task.sources:
        load(source)
    estimator, problem, x0, setting = pickle.loads(task.packed)
    calls.count_new()
    limit = address_limit(task.cell_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    requests: dict[str, Callable[..., tuple[Answer, list[Array]]]] = {}
    requests["baseline"] = _baseline_of(problem, x0)
    requests["load"] = lambda: _load(estimator)
    requests["own"] = _own_of(estimator, problem, x0, setting, seal, stored)
    dump, answer_with = json.dumps, channel.send_bytes
    answer_with(b"{}")
    with np.errstate(all="ignore"):
        while True:
            try:
                name, *given = channel.recv()
            except EOFError:
                return
            answer, arrays = requests[name](*given)
            answer_with(dump(answer | {"reports": count.sent}).encode())
            for array in arrays:
                answer_with(array.tobytes())


class _Sent:
    """Writes reports into a pipe, and counts them."""

    def __init__(self, pipe: int) -> None:
        self.sent, self._pipe, self._write = 0, pipe, os.write

    def __call__(self, report: bytes) -> None:
        self.sent += 1
        self._write(self._pipe, report)


def _baseline_of(problem: Problem, x0: Array) -> Callable[[], tuple[Answer, list[Array]]]:
    baseline, call, step = ESTIMATORS["bptt"], called, problem.horizon / BASELINE_STEPS

    def run() -> tuple[Answer, list[Array]]:
        return {"seconds": call(baseline, problem, x0, step, 0).seconds}, []

    return run


def _load(estimator: GuestEstimator) -> tuple[Answer, list[Array]]:
    try:
        estimator.made()
        return {"status": "ok", "reason": ""}, []
    except BaseException as error:
        return {"status": "raised", "reason": reason_of(error)}, []


def _own_of(
    estimator: GuestEstimator,
    problem: Problem,
    x0: Array,
    setting: float,
    seal: Seal,
    stored: _Stored,
) -> Callable[[int, bool], tuple[Answer, list[Array]]]:
    call, clock, hush, told = called, perf_counter, quiet, _told
    start, stop, parts = tracemalloc.start, tracemalloc.stop, EXPECTED

    def run(replicate: int, traced: bool) -> tuple[Answer, list[Array]]:
        made: Estimator = (estimator.reseeded(replicate) if replicate else estimator).made()
        seal.measured = True
        if traced:
            start()
            stored.begin()
        try:
            with hush():
                found = call(made, problem, x0, setting, 0, clock=clock)
        finally:
            seal.measured = False
            if traced:
                stop()
        return told(found, stored.bytes if traced else None, parts)

    return run


def _told(
    found: Called, stored: float | None, parts: tuple[str, ...]
) -> tuple[Answer, list[Array]]:
    answer = {
        "status": found.status,
        "reason": found.reason,
        "seconds": found.seconds,
        "peak_bytes": found.peak_bytes,
        "stored_bytes": stored,
        "arrays": [],
        "failed": {},
    }
    estimate: Estimate | None = found.estimate
    if estimate is None:
        return answer, []
    arrays = [getattr(estimate, name) for name in parts]
    answer["arrays"] = [[array.dtype.str, list(array.shape)] for array in arrays]
    answer["failed"] = dict(estimate.failed)
    return answer, arrays
