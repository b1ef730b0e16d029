"""A plan of a million cells, simulated: what coordinating takes if measuring costs nothing.

`python -m tests.benchmarks.million` makes a run folder of 10^6 cells of 16 samples, of which all
but the last courses are finished, goes on with it through the sweep itself, and prints a table. An
oracle stands in for the workers: it answers each task at once, with records whose error falls as a
power of the evaluations, so that every frontier is traced as it is in earnest. `--cells` sets
another size.
"""

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import timeit
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from gradpareto.bench.plugins.cell_code import CellCode
from gradpareto.bench.run.cell_task import CellTask
from gradpareto.bench.run.engines.task import Workers
from gradpareto.bench.run.plan import Plan, problems_of, samples_of
from gradpareto.bench.run.sweep import fill
from gradpareto.bench.run.trace import Tracer, point_of
from gradpareto.bench.run.unmeasured import blank_record
from gradpareto.bench.store.cells import CellStore, checksum, make_store
from gradpareto.bench.store.record import COLUMNS, Cell, Record
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.records_csv import rows_text
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import QuadratureLimit, Reference
from gradpareto.systems import Array, Problem

SAMPLES = 16
SYSTEMS = ("lqr", "differential_drive", "quadrotor", "electric", "cartpole", "lorenz", "stiff")
METHOD = ESTIMATORS["bptt-rk4"]
NAME = "oracle-{:06}"
CELL_SECONDS = 0.1
"""The time of a cell of which writing may take 2 %."""
WORKERS = 64
MOST_SECONDS, MOST_BYTES, MOST_OF_THE_TIME = 20.0, 500e6, 0.02
YARDSTICK_SECONDS = 0.03
"""The time that the yardstick takes on the machine for which the bounds are."""


def answer(cell: Cell, problem: Problem) -> list[Record]:
    """Return the records of a cell that nobody measures."""
    evals = int(METHOD.calls(problem, cell.setting))
    blank = blank_record(cell, METHOD, 0)
    error = 1e3 * float(evals) ** -4
    made = replace(
        blank,
        loss=1 / 3,
        f_evals=evals // 2,
        vjp_evals=evals - evals // 2,
        evals=evals,
        abs_error_x0=0.0,
        reference_uncertainty=1e-15,
        stored_bytes=1e5 / 3,
        peak_bytes=2e5 / 3,
    )
    errors = [error * (1 + sample / SAMPLES) for sample in range(cell.samples)]
    return [
        replace(made, sample=sample, abs_error=one, rel_error=one, abs_error_theta=one)
        for sample, one in enumerate(errors)
    ]


def reference_of(problem: Problem, x0: Array) -> Reference:
    """Return a reference that nobody has solved for."""
    lanes, ones = len(x0), np.ones(len(x0))
    limit = QuadratureLimit.unknown(lanes)
    return Reference(
        ones,
        np.ones_like(x0),
        np.ones((lanes, problem.policy.size)),
        1e-15 * ones,
        {"an oracle": 1e-15 * ones},
        QuadratureLimit(limit.vjps, np.tile(1.0 / limit.vjps, (lanes, 1))),
        ("",) * lanes,
        ("",) * lanes,
        ones < 0,
        1e-6,
    )


def slowness() -> float:
    """Return how many times as long as there a piece of work takes here, at this moment."""

    def work() -> None:
        sum(hash((k, str(k))) for k in range(200_000))

    seconds = timeit.repeat(work, timer=time.process_time, repeat=5, number=1)
    return float(np.median(seconds)) / YARDSTICK_SECONDS


class Enough(Exception):  # noqa: N818
    """As many cells as were to be seen are measured."""


@dataclass
class Oracle(Workers):
    """An executor that answers each task at once, as many workers would that take no time."""

    problems: dict[tuple[str, str], Problem]
    first: float = 0.0
    """When the first task came, and the processor's time by then."""
    processor: float = 0.0

    @property
    def side_by_side(self) -> int:
        return WORKERS

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self.first:
            self.first, self.processor = time.perf_counter(), time.process_time()
        _, given = pickle.loads(args[1])
        done: Future[Any] = Future()
        if isinstance(given[0], CellTask):
            cell = given[0].cell
            done.set_result(answer(cell, self.problems[cell.problem]))
        else:
            done.set_result(reference_of(*given))
        return done


@dataclass(frozen=True)
class Simulated:
    """A plan of about as many cells as there are to be, in full courses."""

    cells: int

    @property
    def plan(self) -> Plan:
        names = tuple(NAME.format(k) for k in range(self.courses // len(self.problems)))
        return Plan(self.problems, names, SAMPLES, timed=False)

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        return problems_of(SYSTEMS, ())

    @property
    def estimators(self) -> dict[str, Estimator]:
        return dict.fromkeys(self.plan.estimators, METHOD)

    @property
    def courses(self) -> int:
        settings = sum(len(self.settings(*problem)) for problem in self.problems)
        return len(self.problems) * (self.cells // settings)

    def sampled(self, system: str, theta: str) -> Problem:
        return Plan(self.problems, samples=SAMPLES).sampled(system, theta)[0]

    def settings(self, system: str, theta: str) -> list[tuple[float, list[Record]]]:
        """Return the settings that the tracer chooses on a problem, and their records."""
        problem, found = self.sampled(system, theta), list[tuple[float, list[Record]]]()
        tracer = Tracer(METHOD, problem, Plan.calls)
        samples = samples_of(METHOD, problem, SAMPLES)
        while True:
            points = [point_of(records) for _, records in found]
            setting = tracer.next_setting(points)
            if setting is None:
                return found
            cell = Cell(system, theta, NAME.format(0), setting, samples)
            found.append((setting, answer(cell, problem)))


def make(folder: RunFolder, simulated: Simulated, unfinished: int) -> None:
    """Make a run of the plan in which the last courses are not begun."""
    plan = simulated.plan
    done = plan.estimators[: len(plan.estimators) - unfinished]
    folder.path.mkdir(parents=True)
    folder.write_provenance({"schema": 4, "shared": plan.shared(), "sessions": []})

    def rows() -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        for problem in simulated.problems:
            for setting, records in simulated.settings(*problem):
                template = rows_text([[getattr(one, name) for name in COLUMNS] for one in records])
                seen = point_of(records).seen
                for name in done:
                    known = (*problem, name, setting, len(records), 0)
                    text = template.replace(NAME.format(0).encode(), name.encode())
                    packed = zlib.compress(text, 1)
                    yield (*known, checksum(known, text), packed), (*known[:4], *seen)

    def fill_store(store: CellStore) -> None:
        for cell, seen in rows():
            store.run("INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?)", cell)
            store.run("INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?, ?, ?)", seen)

    folder.store_path.touch()
    make_store(folder.store_path, fill_store)
    measured = ((*problem, name) for problem in simulated.problems for name in done)
    with folder.opened(plan.shared()), folder.cells() as store:
        CellCode(folder, store, simulated.estimators, plan.sampled).note(measured)


@dataclass
class Watched:
    """The time that stores take to write cells."""

    seconds: float = 0.0
    cells: int = 0

    def watching(self, write: Callable[..., None]) -> Callable[..., None]:
        """Return a method that writes a cell, and notes the time that this takes."""

        def watched(store: CellStore, *given: Any) -> None:
            start = time.perf_counter()
            write(store, *given)
            self.seconds += time.perf_counter() - start
            self.cells += 1

        return watched


def go_on(path: Path, simulated: Simulated, cells: int) -> dict[str, float]:
    """Go on with a run for a number of cells, in this process, and say what it took."""
    oracle = Oracle({problem: simulated.sampled(*problem) for problem in simulated.problems})
    watched, left = Watched(), count(1)
    CellStore.write = watched.watching(CellStore.write)  # type: ignore[method-assign]
    plan, estimators = simulated.plan, simulated.estimators
    slow = slowness()
    baseline, start = psutil.Process().memory_info().rss, time.perf_counter()
    processor = time.process_time()

    def report(name: str, done: int, total: int, failures: int = 0, /) -> None:
        if next(left) == cells:
            raise Enough

    folder, cache = RunFolder(path), path.parent / "cache"
    with suppress(Enough):
        fill(plan, folder, cache, report=report, estimators=estimators, executor=oracle)
    ended = time.perf_counter()
    return {
        "slowness": (slow + slowness()) / 2,
        "resume_s": oracle.first - start,
        "resume_processor_s": oracle.processor - processor,
        "cell_s": (ended - oracle.first) / max(watched.cells, 1),
        "cell_processor_s": (time.process_time() - oracle.processor) / max(watched.cells, 1),
        "write_s": watched.seconds / max(watched.cells, 1),
        "cells": watched.cells,
        "import_bytes": baseline,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def simulate(path: Path, cells: int, live: int) -> dict[str, float]:
    """Make a run with this number of cells, and go on with it in a process of its own."""
    simulated, start = Simulated(cells), time.perf_counter()
    courses = max(1, 2 * live * len(simulated.plan.estimators) // cells)
    make(RunFolder(path), simulated, courses)
    made = time.perf_counter() - start
    command = [
        sys.executable,
        "-m",
        __spec__.name,
        "--go-on",
        path,
        "--cells",
        cells,
        "--live",
        live,
    ]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    files = [one for one in path.rglob("*") if one.is_file()]
    return found | {
        "made_s": made,
        "courses": simulated.courses,
        "files": len(files),
        "bytes": sum(one.stat().st_size for one in files),
    }


def table(cells: int, found: dict[str, float]) -> str:
    """Say what was found, beside the bounds."""
    of_the_time = found["write_s"] / CELL_SECONDS
    rows = [
        ("cells, each of 16 samples", f"{cells:,}", ""),
        ("courses, each a traced frontier", f"{found['courses']:,.0f}", ""),
        ("from the start to the first cell", f"{found['resume_s']:.1f} s", "20 s"),
        ("of it, the processor's time", f"{found['resume_processor_s']:.1f} s", ""),
        ("this machine's slowness", f"{found['slowness']:.2f}", ""),
        ("most memory of the coordinator", f"{found['peak_bytes'] / 1e6:.0f} MB", "500 MB"),
        ("of it, what imports take", f"{found['import_bytes'] / 1e6:.0f} MB", ""),
        ("to write a cell", f"{1e3 * found['write_s']:.2f} ms", ""),
        ("of the time, at 100 ms a cell", f"{of_the_time:.2%}", "2 %"),
        ("to send, trace and write a cell", f"{1e3 * found['cell_s']:.2f} ms", ""),
        ("of it, the processor's time", f"{1e3 * found['cell_processor_s']:.2f} ms", ""),
        ("files of the run folder", f"{found['files']:.0f}", ""),
        ("their size", f"{found['bytes'] / 1e9:.2f} GB", ""),
    ]
    lines = [f"| {what} | {value} | {bound} |" for what, value, bound in rows]
    return "\n".join(["| what | measured | bound |", "| --- | ---: | ---: |", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10**6)
    parser.add_argument("--live", type=int, default=20_000, help="cells that the sweep measures")
    parser.add_argument("--go-on", type=Path)
    asked = parser.parse_args()
    if asked.go_on:
        print(json.dumps(go_on(asked.go_on, Simulated(asked.cells), asked.live)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        print(table(asked.cells, simulate(Path(temporary) / "run", asked.cells, asked.live)))


if __name__ == "__main__":
    main()
