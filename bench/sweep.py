"""Runs a plan: what is missing in the run folder is measured, cell by cell, by worker processes."""

import multiprocessing
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Future, as_completed
from concurrent.futures import TimeoutError as CellTimeout
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pebble
from threadpoolctl import threadpool_limits

from bench.frontier import limit_table
from bench.measure import failed_records, measure
from bench.plan import Plan
from bench.provenance import session
from bench.records import Cell, Record, RunFolder
from estimators import ESTIMATORS, Estimator
from reference import Reference, cache_key, load_or_certify

Report = Callable[[str, int, int], None]
"""What was finished, how many are done, how many there are."""


@dataclass(frozen=True)
class Budget:
    """What a cell may take, and how many are measured side by side."""

    cell_seconds: float = 120.0
    cell_bytes: int = 4 * 2**30
    workers: int = 2


def sweep(
    plan: Plan,
    folder: RunFolder,
    cache: Path,
    budget: Budget,
    report: Report,
    estimators: Mapping[str, Estimator] = ESTIMATORS,
) -> pd.DataFrame:
    """Measure the plan's cells that the folder lacks; return all of the folder's records.

    Raises UnusableFolder, TamperedCache, and ValueError on a plan without cells or a bad x0.
    """
    cells = plan.cells()
    if not cells:
        raise ValueError("nothing to sweep: no system has such a preset")
    folder.open(plan.shared())
    missing = [cell for cell in cells if not folder.has(cell)]
    if missing:
        with _pool(budget) as pool:
            try:
                references = _references(pool, plan, missing, folder, cache, report)
                _measure(pool, plan, missing, references, folder, budget, estimators, report)
            except BaseException:
                pool.stop()  # or leaving the pool would wait for what is still queued
                raise
    return folder.write_records()


def _pool(budget: Budget) -> pebble.ProcessPool:
    context = multiprocessing.get_context("spawn")
    return pebble.ProcessPool(budget.workers, initializer=_start_worker, context=context)


def _start_worker() -> None:
    """One thread each, so that workers do not share cores; the parent handles an interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)


def _references(
    pool: pebble.ProcessPool,
    plan: Plan,
    cells: list[Cell],
    folder: RunFolder,
    cache: Path,
    report: Report,
) -> dict[tuple[str, str], Reference]:
    """The references of the cells' problems; their quadrature limits are kept in the folder."""
    wanted = sorted({(cell.system, cell.theta) for cell in cells}, reverse=True)
    keys: dict[str, str] = {}
    futures: dict[Future[Reference], tuple[str, str]] = {}
    for system, theta in wanted:
        problem, x0 = plan.problem(system, theta), plan.initial_states(system)
        keys[f"{system} {theta}"] = cache_key(problem, x0)
        futures[pool.schedule(load_or_certify, (problem, x0, cache))] = (system, theta)
    references = {}
    for done, future in enumerate(as_completed(futures), 1):
        system, theta = futures[future]
        references[system, theta] = future.result()
        report(f"reference {system} {theta}", done, len(futures))
        folder.write_limit(system, theta, limit_table(references[system, theta]))
    provenance = folder.provenance()
    provenance["sessions"].append(session(keys))
    folder.write_provenance(provenance)
    return references


def _measure(
    pool: pebble.ProcessPool,
    plan: Plan,
    cells: list[Cell],
    references: Mapping[tuple[str, str], Reference],
    folder: RunFolder,
    budget: Budget,
    estimators: Mapping[str, Estimator],
    report: Report,
) -> None:
    futures: dict[Future[list[Record]], Cell] = {}
    for cell in sorted(cells, key=lambda cell: cell.system, reverse=True):
        problem, x0 = plan.problem(cell.system, cell.theta), plan.initial_states(cell.system)
        arguments = (
            cell,
            estimators[cell.estimator],
            problem,
            x0[: cell.samples],
            references[cell.system, cell.theta],
            plan.seed or 0,
            budget.cell_bytes,
            plan.timed,
        )
        futures[pool.schedule(measure, arguments, timeout=budget.cell_seconds)] = cell
    for done, future in enumerate(as_completed(futures), 1):
        cell = futures[future]
        outcome = _outcome(future, cell, estimators[cell.estimator], plan, budget)
        folder.write_cell(cell, outcome)
        report(cell.name, done, len(futures))


def _outcome(
    future: Future[list[Record]], cell: Cell, estimator: Estimator, plan: Plan, budget: Budget
) -> list[Record]:
    try:
        return list(future.result())
    except CellTimeout:
        reason = f"not finished within {budget.cell_seconds:g} s"
        return failed_records(cell, estimator, plan.seed or 0, "timeout", reason)
    except pebble.ProcessExpired as error:
        reason = f"the process measuring it ended with exit code {error.exitcode}"
        return failed_records(cell, estimator, plan.seed or 0, "died", reason)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return failed_records(cell, estimator, plan.seed or 0, "raised", reason)
