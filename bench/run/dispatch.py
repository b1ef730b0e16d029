"""Sends the work of a sweep to an executor, and keeps what comes back: it alone writes."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gradpareto.bench.judge.frontier import limit_table
from gradpareto.bench.plugins import SYSTEM_PLUGINS
from gradpareto.bench.plugins.luggage import luggage_of
from gradpareto.bench.plugins.plugin_estimator import (
    PluginEstimator,
    SentEstimator,
    from_outside,
)
from gradpareto.bench.plugins.source import Source
from gradpareto.bench.reasons import reason_of
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.cell_task import CellTask, Setup, measure_cell
from gradpareto.bench.run.certificates import certificate_table
from gradpareto.bench.run.engines.task import Died, EngineLost, Shared, TimedOut, shared
from gradpareto.bench.run.lines import Line, Waiting
from gradpareto.bench.run.measure import most_seconds
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.sending import certified, schedule
from gradpareto.bench.run.times import lacks_times, with_times
from gradpareto.bench.run.trace import point_of
from gradpareto.bench.store.cells import CellStore
from gradpareto.bench.store.record import SUCCESSES, Cell, Record, Status
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import Estimator
from gradpareto.reference import Reference, certify, keep, load
from gradpareto.systems import Array, Problem

CELLS_A_WORKER = 3
"""The cells that are sent for each worker: one that it measures, and those that wait for it."""
Of = tuple[str, str]
"""A problem by its names: a system and a preset."""


@dataclass
class Dispatch:
    """The work of a sweep on an executor: certifying problems, measuring cells, and timing them.

    `keys` are the cache keys of the references. Cells are timed where they are measured if no two
    of them ever share a core; otherwise they are timed apart, after the rest.
    """

    executor: Executor
    plan: Plan
    folder: RunFolder
    store: CellStore
    cache: Path
    budget: Budget
    estimators: Mapping[str, Estimator]
    sampled: Mapping[Of, tuple[Problem, Array]]
    keys: Mapping[Of, str]
    report: Report
    done: int = 0
    total: int = 0
    failures: int = 0
    references: dict[Of, Reference] = field(default_factory=dict)
    setups: dict[Of, Shared] = field(default_factory=dict)
    luggages: dict[tuple[Source, ...], Shared] = field(default_factory=dict)

    @cached_property
    def times_apart(self) -> bool:
        """Whether cells are timed apart, after all else."""
        return self.plan.timed and self._exclusive < self._side_by_side

    @property
    def _side_by_side(self) -> int:
        """The number of tasks that run at the same time: 1 if the executor does not say."""
        return getattr(self.executor, "side_by_side", 1)

    @property
    def _exclusive(self) -> int:
        """The number of workers that share no core with others while only timed tasks run."""
        return getattr(self.executor, "exclusive", 1)

    def measure(self, lines: Sequence[Line]) -> None:
        """Certify the problems, the last registered first, and measure the lines' cells."""
        problems = list(dict.fromkeys(line.course.problem for line in reversed(lines)))
        self.total += len(problems) + sum(len(line.waiting) for line in lines)
        waiting, certifying = Waiting(), dict[Future[Reference], Of]()
        for problem in problems:
            reference = load(*self.sampled[problem], self.cache, self.keys[problem])
            if reference is None:
                certifying[self._certify(problem)] = problem
            else:
                waiting.add(self._judged(problem, reference, lines))
        measuring: dict[Future[list[Record]], tuple[CellTask, Line]] = {}
        while certifying or measuring or waiting:
            while waiting and len(measuring) < CELLS_A_WORKER * self._side_by_side:
                cell, line = waiting.take()
                task = self._task(cell, timed=self.plan.timed and not self.times_apart)
                measuring[self._send(task, alone=task.timed)] = task, line
            pending: list[Future[Any]] = [*certifying, *measuring]
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                if future in measuring:
                    waiting.add(self._measured(future, *measuring.pop(future)))
                else:
                    problem = certifying.pop(future)
                    waiting.add(self._judged(problem, self._certified(future, problem), lines))

    def time(self, cells: Iterable[Cell]) -> None:
        """Take the times of cells that lack them, as many at once as share no core."""
        waiting = sorted(cells, key=lambda cell: cell.problem, reverse=True)
        timing: dict[Future[list[Record]], CellTask] = {}
        while waiting or timing:
            while waiting and len(timing) < self._exclusive:
                task = self._task(waiting.pop(), timed=True, rest=False)
                self._demand_reference(task.cell.problem)
                timing[self._send(task, alone=True)] = task
            for future in wait(timing, return_when=FIRST_COMPLETED).done:
                self._timed(future, timing.pop(future))

    def _task(self, cell: Cell, timed: bool, rest: bool = True) -> CellTask:
        return CellTask(
            cell,
            from_outside(self.estimators[cell.estimator]),
            self.plan.shared(),
            self.plan.bound,
            self.budget.cell_seconds,
            self.budget.cell_bytes,
            self.cache,
            timed,
            rest,
        )

    def _certify(self, problem: Of) -> Future[Reference]:
        given, luggage = self.sampled[problem], self._luggage(problem[0])
        return schedule(self.executor, [problem[0]], certify, given, luggage=luggage)

    def _send(self, task: CellTask, alone: bool) -> Future[list[Record]]:
        seconds = most_seconds(task.estimator, self.budget.cell_seconds)
        system, setup = task.cell.system, self._setup(task.cell.problem)
        luggage = self._luggage(system, task.estimator)
        given = self.executor, [system], measure_cell, (task,), seconds, (setup,)
        return schedule(*given, alone, luggage)

    def _luggage(self, system: str, estimator: Estimator | None = None) -> Shared | None:
        """Return what a task of plug-ins takes along, if it may run on another machine."""
        if not getattr(self.executor, "far", False):
            return None
        if isinstance(estimator, SentEstimator):
            raise ValueError(
                "an estimator that a script has made does not travel to a cluster: name it as a "
                "plug-in, PATH.py:NAME"
            )
        own = [SYSTEM_PLUGINS[system].source] if system in SYSTEM_PLUGINS else []
        sources = (*own, *([estimator.plugin] if isinstance(estimator, PluginEstimator) else []))
        if sources and sources not in self.luggages:
            self.luggages[sources] = shared(luggage_of(sources))
        return self.luggages.get(sources)

    def _setup(self, problem: Of) -> Shared:
        """Return a problem with its truth, in the form in which workers get it, each once."""
        if problem not in self.setups:
            sampled, x0 = self.sampled[problem]
            setup = Setup(sampled, self.plan.starts(x0), self.references[problem])
            self.setups[problem] = shared(setup)
        return self.setups[problem]

    def _demand_reference(self, problem: Of) -> None:
        """Have the reference of a problem of which only times are lacking."""
        if problem in self.references:
            return
        found = load(*self.sampled[problem], self.cache, self.keys[problem])
        if found is None:
            found = self._certified(self._certify(problem), problem)
        self.references[problem] = found

    def _certified(self, future: Future[Reference], problem: Of) -> Reference:
        """Take a reference from a worker, and keep it, unless certifying ended its process."""
        reference = certified(future, *self.sampled[problem])
        if future.exception() is None:
            keep(*self.sampled[problem], self.cache, self.keys[problem], reference)
        return reference

    def _judged(self, problem: Of, reference: Reference, lines: Sequence[Line]) -> list[Line]:
        """Keep a problem's certificates and its limit, and return the lines that it can judge."""
        bound, own = self.plan.bound, [one for one in lines if one.course.problem == problem]
        self.references[problem] = reference
        self.folder.write_certificate(*problem, certificate_table(reference, bound))
        self.done += 1
        if not reference.usable(bound).any():
            self.done, own = self.done + sum(len(line.waiting) for line in own), []
        else:
            self.folder.write_limit(*problem, limit_table(reference))
        self._say(f"reference {' '.join(problem)}")
        return own

    def _measured(self, future: Future[list[Record]], task: CellTask, line: Line) -> list[Line]:
        """Keep a cell's records, and return its line if that has chosen its next cell."""
        records, before = self._outcome(future, task), len(line.waiting)
        point = line.see(records)
        chosen = len(line.waiting) - before
        untimed = self.times_apart and lacks_times(records)
        self.store.write(task.cell.key, records, point.seen if point else None, untimed)
        self.total += chosen + untimed
        self.done += 1
        self.failures += any(one.status not in SUCCESSES for one in records)
        self._say(task.cell.name)
        return [line] if chosen else []

    def _timed(self, future: Future[list[Record]], task: CellTask) -> None:
        """Give a cell's records their times."""
        records = with_times(self.store.records(task.cell.key), self._outcome(future, task))
        self.store.write(task.cell.key, records, point_of(records).seen)
        self.done += 1
        self._say(f"times of {task.cell.name}")

    def _say(self, name: str) -> None:
        self.report(name, self.done, self.total, self.failures)

    def _outcome(self, future: Future[list[Record]], task: CellTask) -> list[Record]:
        """Return the records of a cell, even if it was ended from outside."""
        status: Status
        try:
            return future.result()
        except EngineLost:
            raise
        except TimedOut as error:
            status, reason = "timeout", str(error)
        except Died as error:
            status, reason = "died", f"the process measuring it {error.how}"
        except Exception as error:
            status, reason = "raised", reason_of(error)
        return task.failed(self.references[task.cell.problem], status, reason)
