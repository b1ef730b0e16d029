"""The sweep: worker processes measure the cells of a plan that the run folder lacks."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import limit_table
from gradpareto.bench.nearest import SEE_LIST, nearest
from gradpareto.bench.plugins.cell_code import CellCode
from gradpareto.bench.plugins.plugin_estimator import from_outside
from gradpareto.bench.reasons import reason_of
from gradpareto.bench.run.certificates import certificate_table, demand_one
from gradpareto.bench.run.measure import measure, most_seconds
from gradpareto.bench.run.plan import Course, Plan
from gradpareto.bench.run.pool import Died, Pool, TimedOut, worker_pool
from gradpareto.bench.run.report import Report, silent
from gradpareto.bench.run.sending import certified, schedule
from gradpareto.bench.run.trace import Point, Tracer, point_of
from gradpareto.bench.run.unmeasured import failed_records, uncertified_records
from gradpareto.bench.store.cells import CellStore
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.record import Cell, Record, Status
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.soundness import fault_of_records
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import Reference, cache_key, default_folder, load_or_certify
from gradpareto.systems import TASKS
from gradpareto.systems.names import fault_of, shown

TOO_FEW = (
    "no setting of these estimators takes as little as {:,.0f} evaluations a sample: allow more of "
    "them (--calls)"
)
CELLS_A_WORKER = 3
"""The cells that are sent for each worker: one that it measures, and those that wait for it."""


@dataclass(frozen=True)
class Budget:
    """The time and memory that a cell may take, and the number of cells measured side by side."""

    cell_seconds: float = 120.0
    cell_bytes: int = 4 * 2**30
    workers: int = 2


def sweep(
    plan: Plan,
    folder: RunFolder,
    cache: Path | None = None,
    budget: Budget = Budget(),
    report: Report = silent,
    estimators: Mapping[str, Estimator] = ESTIMATORS,
) -> pd.DataFrame:
    """Measure the plan's cells that the folder lacks, and return all of the folder's records.

    References are kept in the folder `cache`, by default the user's own cache. `report` is called
    after each cell. Worker processes measure the cells, so a script calls this function under
    `if __name__ == "__main__":`; a notebook just calls it. Raises UnusableFolder, TamperedCache,
    ValueError for a plan without cells or an unusable x0, and NotSolved if no sample of any problem
    has a reference that can judge.
    """
    fill(plan, folder, cache, budget, report, estimators)
    return folder.read_cells()


def fill(
    plan: Plan,
    folder: RunFolder,
    cache: Path | None = None,
    budget: Budget = Budget(),
    report: Report = silent,
    estimators: Mapping[str, Estimator] = ESTIMATORS,
) -> None:
    """Measure the plan's cells that the folder lacks, as `sweep` does, and read no records.

    One process at a time measures into a folder; another one waits.
    """
    _check_names(plan, estimators)
    cache, courses = cache or default_folder(), plan.courses(estimators)
    if not courses:
        raise ValueError("nothing to sweep: no system has such a preset")
    with folder.opened(plan.shared()), folder.cells() as store:
        code = CellCode(folder, store, estimators, plan.sampled)
        code.set_aside_older(plan.estimators, [system for system, _ in plan.problems])
        lines = [_line(one, plan, estimators[one.estimator], store) for one in courses]
        lines = [line for line in lines if line.waiting]
        if not lines and not store.totals()[0]:
            raise ValueError(TOO_FEW.format(plan.calls))
        code.say_what_is_not_known(
            key
            for key in store.measured()
            if key[2] in plan.estimators and key[:2] in plan.problems
        )
        code.note(line.course.cell(1.0).key[:3] for line in lines)
        if lines:
            problems = sorted({line.course.problem for line in lines})
            keys = {problem: cache_key(*plan.sampled(*problem)) for problem in problems}
            folder.add_session(session({" ".join(problem): key for problem, key in keys.items()}))
            with worker_pool(min(budget.workers, sum(len(one.waiting) for one in lines))) as pool:
                work = _Work(pool, plan, cache, budget, estimators, keys, folder, store)
                _measure(work, lines, report)
            demand_one(folder, plan.problems)
        folder.publish(store)


@dataclass
class _Line:
    """A course under way: its cells that wait, and the points that the tracer has seen.

    Given settings wait side by side. A traced frontier has one cell at a time, since each is chosen
    from those before it.
    """

    course: Course
    tracer: Tracer | None
    waiting: deque[Cell]
    points: list[Point] = field(default_factory=list)

    def see(self, records: list[Record]) -> None:
        """Take a finished cell's records, and choose the next cell of a traced frontier."""
        if self.tracer is not None:
            self.points.append(point_of(records))
            self.choose()

    def choose(self) -> None:
        assert self.tracer is not None
        setting = self.tracer.next_setting(self.points)
        if setting is not None:
            self.waiting.append(self.course.cell(setting))


def _line(course: Course, plan: Plan, estimator: Estimator, store: CellStore) -> _Line:
    """Return what the store lacks of a course."""
    if course.settings:
        cells = (course.cell(setting) for setting in course.settings)
        lacking = deque(cell for cell in cells if store.samples(cell.key) < cell.samples)
        return _Line(course, None, lacking)
    key = course.cell(1.0).key[:3]
    held = store.table(("system = ? AND theta = ? AND estimator = ?", key))
    measured: list[Any] = [list(rows.itertuples()) for _, rows in held.groupby("setting")]
    points = [point_of(records) for records in measured if len(records) >= course.samples]
    problem, _ = plan.sampled(*course.problem)
    line = _Line(course, Tracer(estimator, problem, plan.calls), deque(), points)
    line.choose()
    return line


def _check_names(plan: Plan, estimators: Mapping[str, Estimator]) -> None:
    """Raise ValueError for a name that the plan has and no registry knows, or that is none."""
    for name in (*(system for system, _ in plan.problems), *plan.estimators):
        if fault := fault_of(name):
            raise ValueError(f"the name {shown(name)} {fault}")
    for system, theta in plan.problems:
        if system not in TASKS:
            hint = nearest(system, TASKS) or SEE_LIST
            raise ValueError(f"unknown system {system!r}{hint}")
        TASKS[system].check_names()
        if theta not in TASKS[system].presets:
            known = ", ".join(TASKS[system].presets)
            raise ValueError(f"{system} has no preset {theta!r}: known: {known}")
    for name in plan.estimators:
        if name not in estimators:
            hint = nearest(name, estimators) or SEE_LIST
            raise ValueError(f"unknown estimator {name!r}{hint}")


@dataclass(frozen=True)
class _Work:
    """The pool of workers, and what is the same for all of their tasks."""

    pool: Pool
    plan: Plan
    cache: Path
    budget: Budget
    estimators: Mapping[str, Estimator]
    keys: Mapping[tuple[str, str], str]
    folder: RunFolder
    store: CellStore

    @property
    def most_sent(self) -> int:
        """The cells that workers have at most, so that none waits and few are in memory."""
        return CELLS_A_WORKER * self.budget.workers

    def certify(self, problem: tuple[str, str]) -> Future[Reference]:
        arguments = *self.plan.sampled(*problem), self.cache, self.keys[problem]
        return schedule(self.pool, [problem[0]], load_or_certify, arguments)

    def measure(self, cell: Cell, reference: Reference) -> Future[list[Record]]:
        problem, x0 = self.plan.sampled(*cell.problem)
        estimator = from_outside(self.estimators[cell.estimator])
        arguments = (
            cell,
            estimator,
            problem.take(np.arange(cell.samples)),
            x0[: cell.samples],
            reference,
            self.plan.seed or 0,
            self.budget.cell_bytes,
            self.plan.timed,
            self.plan.bound,
            self.budget.cell_seconds,
            self.cache,
        )
        seconds = most_seconds(estimator, self.budget.cell_seconds)
        return schedule(self.pool, [cell.system], measure, arguments, seconds)


def _measure(work: _Work, lines: list[_Line], report: Report) -> None:
    """Certify the problems, the last registered and most expensive first, and measure the cells."""
    problems = list(dict.fromkeys(line.course.problem for line in reversed(lines)))
    certifying = {work.certify(problem): problem for problem in problems}
    measuring: dict[Future[list[Record]], tuple[Cell, _Line]] = {}
    waiting: deque[tuple[Cell, _Line]] = deque()
    references: dict[tuple[str, str], Reference] = {}
    done, total = 0, len(problems) + sum(len(line.waiting) for line in lines)
    while certifying or measuring or waiting:
        while waiting and len(measuring) < work.most_sent:
            cell, line = waiting.popleft()
            measuring[work.measure(cell, references[cell.problem])] = cell, line
        pending: list[Future[Any]] = [*certifying, *measuring]
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            done += 1
            if future in measuring:
                cell, line = measuring.pop(future)
                records = _outcome(future, cell, work, references[cell.problem])
                work.store.write(cell.key, records)
                line.see(records)
                total += len(line.waiting)
                waiting.extend(_pairs(line))
                report(cell.name, done, total)
                continue
            problem = certifying.pop(future)
            reference = references[problem] = certified(future, *work.plan.sampled(*problem))
            own = [
                pair for line in lines if line.course.problem == problem for pair in _pairs(line)
            ]
            if not _keep_reference(work, problem, reference):
                done, own = done + len(own), []
            report(f"reference {' '.join(problem)}", done, total)
            waiting.extend(own)


def _pairs(line: _Line) -> list[tuple[Cell, _Line]]:
    return [(cell, line) for cell in _taken(line)]


def _taken(line: _Line) -> list[Cell]:
    """Take the cells that wait in a line."""
    taken = list(line.waiting)
    line.waiting.clear()
    return taken


def _keep_reference(work: _Work, problem: tuple[str, str], reference: Reference) -> bool:
    """Keep a problem's certificates and its limit, and tell whether any sample can judge."""
    bound = work.plan.bound
    work.folder.write_certificate(*problem, certificate_table(reference, bound))
    if not reference.usable(bound).any():
        return False
    work.folder.write_limit(*problem, limit_table(reference))
    return True


def _failed(
    cell: Cell, work: _Work, reference: Reference, status: Status, reason: str
) -> list[Record]:
    """Return the records of a cell that was ended from outside."""
    seed, estimator = work.plan.seed or 0, work.estimators[cell.estimator]
    records = failed_records(cell, estimator, seed, status, reason)
    for record in uncertified_records(cell, estimator, seed, reference, work.plan.bound):
        records[record.sample] = record
    return records


def _outcome(
    future: Future[list[Record]], cell: Cell, work: _Work, reference: Reference
) -> list[Record]:
    """Return the records of a cell, even if it was ended from outside."""
    status: Status
    try:
        records = future.result()
        status, reason = "shape", fault_of_records(records, work.plan.shared())
        if not reason:
            return records
    except TimedOut as error:
        status, reason = "timeout", str(error)
    except Died as error:
        status, reason = "died", f"the process measuring it ended with exit code {error.exitcode}"
    except Exception as error:
        status, reason = "raised", reason_of(error)
    return _failed(cell, work, reference, status, reason)
