"""The sweep: workers measure the cells of a plan that the run folder lacks."""

from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pandas as pd

from gradpareto.bench.plugins.cell_code import CellCode
from gradpareto.bench.run.budget import DEFAULT, Budget
from gradpareto.bench.run.certificates import demand_one
from gradpareto.bench.run.dispatch import Dispatch
from gradpareto.bench.run.engines.choice import workers
from gradpareto.bench.run.lines import Line, line_of
from gradpareto.bench.run.plan import Course, Plan, check_names
from gradpareto.bench.run.report import Report, silent
from gradpareto.bench.store.cells import CellStore
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.record import Cell
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.sweep_notes import untimed
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import cache_key, default_folder

TOO_FEW = (
    "no setting of these estimators takes as little as {:,.0f} evaluations a sample: allow more of "
    "them (--calls)"
)


def sweep(
    plan: Plan,
    folder: RunFolder,
    cache: Path | None = None,
    budget: Budget = DEFAULT,
    report: Report = silent,
    estimators: Mapping[str, Estimator] = ESTIMATORS,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Measure the plan's cells that the folder lacks, and return all of the folder's records.

    References are kept in the folder `cache`, by default the user's own cache. `report` is called
    after each cell. Worker processes measure the cells, so a script calls this function under
    `if __name__ == "__main__":`; a notebook just calls it. An `executor` that is given runs the
    tasks instead, and stays open. Raises UnusableFolder, TamperedCache, EngineLost, ValueError
    for a plan without cells or an unusable x0, and NotSolved if no sample of any problem has a
    reference that can judge.
    """
    fill(plan, folder, cache, budget, report, estimators, executor)
    return folder.read_cells()


def fill(
    plan: Plan,
    folder: RunFolder,
    cache: Path | None = None,
    budget: Budget = DEFAULT,
    report: Report = silent,
    estimators: Mapping[str, Estimator] = ESTIMATORS,
    executor: Executor | None = None,
) -> None:
    """Measure the plan's cells that the folder lacks, as `sweep` does, and read no records.

    One process at a time measures into a folder; another one waits.
    """
    check_names(plan, estimators)
    cache, courses = cache or default_folder(), plan.courses(estimators)
    if not courses:
        raise ValueError("nothing to sweep: no system has such a preset")
    with folder.opened(plan.shared()), folder.cells() as store:
        lines = _lines(plan, courses, folder, store, estimators)
        lacking = _lacking_times(plan, courses, store)
        problems = {line.course.problem for line in lines} | {cell.problem for cell in lacking}
        if problems:
            tasks = len(lacking) + sum(len(line.waiting) for line in lines)
            sampled = {problem: plan.sampled(*problem) for problem in sorted(problems)}
            keys = {problem: cache_key(*given) for problem, given in sampled.items()}
            folder.add_session(session({" ".join(problem): key for problem, key in keys.items()}))
            given = plan, folder, store, cache, budget, estimators, sampled, keys, report
            with _opened(executor, budget, tasks) as opened:
                work = Dispatch(opened, *given, total=len(lacking))
                work.measure(lines)
                work.time(_lacking_times(plan, courses, store))
            demand_one(folder, plan.problems)
        folder.publish(store)


def _opened(
    executor: Executor | None, budget: Budget, tasks: int
) -> AbstractContextManager[Executor]:
    """Open the workers of a budget, no more than there are tasks, unless there is an executor."""
    return nullcontext(executor) if executor else workers(min(budget.jobs, tasks), budget.scheduler)


def _lines(
    plan: Plan,
    courses: list[Course],
    folder: RunFolder,
    store: CellStore,
    estimators: Mapping[str, Estimator],
) -> list[Line]:
    """Return the courses of which the store lacks cells, and note their code in the folder.

    Cells of older code are set aside first.
    """
    code = CellCode(folder, store, estimators, plan.sampled)
    code.set_aside_older(plan.estimators, [system for system, _ in plan.problems])
    problems = {problem: plan.sampled(*problem)[0] for problem in plan.problems}
    given = ((one, plan, estimators[one.estimator], problems[one.problem]) for one in courses)
    lines = [line for one in given if (line := line_of(*one, store)).waiting]
    if not lines and not store.totals()[0]:
        raise ValueError(TOO_FEW.format(plan.calls))
    code.say_what_is_not_known(
        key for key in store.measured() if key[2] in plan.estimators and key[:2] in plan.problems
    )
    code.note(line.course.key for line in lines)
    return lines


def _lacking_times(plan: Plan, courses: list[Course], store: CellStore) -> list[Cell]:
    """Return the cells of the courses that were measured, and whose times are still lacking."""
    own = {one.key for one in courses}
    keys = untimed(store.run) if plan.timed else []
    return [Cell(*key, store.samples(key)) for key in keys if key[:3] in own]
