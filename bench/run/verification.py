"""Measures random cells of a run again, and compares what comes out with what was recorded."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.judge.repeats import beyond_roundings, differences
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Course, Plan, demand_x0_of
from gradpareto.bench.run.report import Report, silent
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.record import CELL_KEYS, Cell
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import USABLE
from gradpareto.systems import TASKS, Array

ENVIRONMENT = ("processor", "blas", "system", "python", "libraries")
"""The parts of a session in the provenance that describe the machine and the versions."""
CellKey = tuple[str, str, str, float]
"""A cell by the values of its CELL_KEYS."""
MOVES, MOVED_BY = 8, 2**12
"""The times that a cell is measured again from moved initial states, and the units in the last
place by which each of their numbers moves at most."""
BY_BUDGET = ("timeout", "memory", "died")
"""The statuses that depend on the machine and on the budget of a cell."""


@dataclass(frozen=True)
class PlanOfCells(Plan):
    """A plan of the cells in `drawn`, whatever the suite's rules would choose.

    They are drawn from `held` cells of a run; `left_out` counts the run's others by the reason why
    they cannot be measured again. With a seed `moved`, each estimate starts from initial states
    that differ from the samples in their last digits, and is judged by the samples' reference.
    """

    drawn: tuple[Cell, ...] = ()
    held: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    moved: int = 0

    def courses(self, estimators: Mapping[str, Estimator] = ESTIMATORS) -> list[Course]:
        """Return the cells to measure, each as a course of one setting."""
        return [
            Course(cell.system, cell.theta, cell.estimator, cell.samples, (cell.setting,))
            for cell in self.drawn
        ]

    def starts(self, x0: Array) -> Array:
        """Return the states (B, state_dim) at which estimates start, moved by roundings or not."""
        if not self.moved:
            return x0
        rng = np.random.default_rng(self.moved)
        roundings = rng.integers(-MOVED_BY, MOVED_BY, x0.shape, endpoint=True)
        return np.asarray(x0 + roundings * np.spacing(x0))


@dataclass(frozen=True)
class Verification:
    """The outcome of measuring cells of a run again.

    `unlike` says in what this environment differs from that of the run. Where it is empty and the
    run notes the code of a cell, and it is today's, the cell is among the `to_the_bit` that were
    compared to the last bit. Of the others, those whose numbers depend on roundings are
    `by_roundings`: they reproduce if the recorded numbers are such as roundings make.
    `differences` is the table of `bench.judge.repeats`.
    """

    cells: int
    to_the_bit: int
    by_roundings: int
    unlike: tuple[str, ...]
    differences: pd.DataFrame

    @property
    def reproduced(self) -> int:
        """The number of cells of which every number reproduces."""
        return self.cells - len(self.differences[CELL_KEYS].drop_duplicates())


def draw_cells(
    folder: RunFolder,
    fraction: float,
    seed: int,
    systems: Collection[str] = (),
    estimators: Collection[str] = (),
    x0: Array | None = None,
) -> PlanOfCells:
    """Draw a fraction of a run's cells, at least one, by a seed, and plan to measure them.

    `systems` and `estimators` hold the draw to some of them. Cells whose system or estimator is not
    registered now are left out, and those that their budget of time or memory ended. Raises
    ValueError if no cell remains, or x0 (B, state_dim) is not the run's, and UnusableFolder.
    """
    cells = _cells(folder.read_cells())
    for name, asked in (("system", systems), ("estimator", estimators)):
        cells = cells[cells[name].isin(list(asked))] if asked else cells
    reasons = pd.Series([_why_not(row) for _, row in cells.iterrows()], cells.index, dtype=object)
    left_out = {str(why): int(n) for why, n in reasons[reasons != ""].value_counts().items()}
    able = cells[reasons == ""]
    if able.empty:
        told = "; ".join(f"{n} cells: {why}" for why, n in left_out.items()) or "none fits"
        raise ValueError(f"{folder.path} has no cell that can be measured again: {told}")
    some = np.random.default_rng(seed).choice(len(able), ceil(fraction * len(able)), replace=False)
    rows = able.iloc[np.sort(some)][[*CELL_KEYS, "samples"]]
    drawn = tuple(Cell(*row) for row in rows.itertuples(index=False, name=None))
    return replace(_plan(folder, drawn, x0), held=len(able), left_out=left_out)


def _plan(folder: RunFolder, cells: tuple[Cell, ...], x0: Array | None) -> PlanOfCells:
    """Plan cells on the initial states of a run. Raises ValueError if x0 has other ones."""
    shared = folder.provenance()["shared"]
    plan = PlanOfCells(
        tuple(dict.fromkeys(cell.problem for cell in cells)),
        tuple(dict.fromkeys(cell.estimator for cell in cells)),
        samples=shared["samples"],
        seed=shared["seed"],
        x0=x0,
        timed=False,
        bound=shared.get("uncertainty", USABLE),
        drawn=cells,
    )
    demand_x0_of(plan, shared, folder.path)
    return plan


def _cells(records: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell: its keys, its samples, and whether its budget ended it."""
    ended = records.assign(samples=1, ended=records["status"].isin(BY_BUDGET))
    return ended.groupby(CELL_KEYS, as_index=False).agg({"samples": "sum", "ended": "any"})


def _why_not(cell: pd.Series) -> str:
    """Say why a cell cannot be measured again; "" if it can."""
    system, theta, estimator = cell["system"], cell["theta"], cell["estimator"]
    if system not in TASKS or theta not in TASKS[system].presets:
        return f"{system} ({theta}) is not registered"
    if estimator not in ESTIMATORS:
        return f"{estimator} is not registered"
    return "they were ended by their budget of time or memory" if cell["ended"] else ""


def verify(
    folder: RunFolder,
    plan: PlanOfCells,
    again: RunFolder,
    cache: Path | None,
    budget: Budget,
    report: Report = silent,
) -> Verification:
    """Measure the plan's cells in the folder `again`, and compare them with the run in `folder`.

    Cells that differ where roundings may are measured again from moved initial states, in folders
    within `again`. Raises what `sweep` raises.
    """
    found = sweep(plan, again, cache, budget, report)
    before, after = folder.provenance(), again.provenance()
    unlike = _unlike(before["sessions"], after["sessions"][-1])
    alike = {cell.key for cell in plan.drawn if not unlike and _same_code(before, after, cell)}
    table = differences(folder.read_cells(), found, alike)
    doubtful = _cells_of(table) - alike
    moved = [
        sweep(one, RunFolder(again.path / f"moved-{one.moved}"), cache, budget, report)
        for one in _moved(plan, doubtful)
    ]
    table = beyond_roundings(table, found, moved)
    by_roundings = len(doubtful - _cells_of(table))
    return Verification(len(plan.drawn), len(alike), by_roundings, unlike, table)


def _moved(plan: PlanOfCells, cells: Collection[CellKey]) -> list[PlanOfCells]:
    """Plan to measure some of a plan's cells several times, from initial states that are moved."""
    drawn = tuple(cell for cell in plan.drawn if cell.key in cells)
    return [replace(plan, drawn=drawn, moved=1 + k) for k in range(MOVES)] if drawn else []


def _cells_of(table: pd.DataFrame) -> set[CellKey]:
    """Return the cells that a table of differences names."""
    return set(table[CELL_KEYS].itertuples(index=False, name=None))


def _unlike(sessions: list[dict[str, Any]], here: dict[str, Any]) -> tuple[str, ...]:
    """Say in what the environment of a run's sessions differs from that of the session `here`."""
    told = []
    for name in ENVIRONMENT:
        others = [one.get(name) for one in sessions if one.get(name) != here[name]]
        if others or not sessions:
            there = _plain(others[0] if others else None)
            told.append(f"{name} is {_plain(here[name])}, and was {there}")
    return tuple(told)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, list):
        return " and ".join(map(str, value))
    return "not noted" if value is None else str(value)


def _same_code(before: Mapping[str, Any], after: Mapping[str, Any], cell: Cell) -> bool:
    """Tell whether two runs note one and the same code of a cell's estimator and problem."""
    digests = [
        (
            provenance.get("code", {}).get("estimators", {}).get(cell.estimator),
            provenance.get("code", {}).get("problems", {}).get(" ".join(cell.problem)),
        )
        for provenance in (before, after)
    ]
    return digests[0] == digests[1] and None not in digests[0]
