"""The check that the records of a run do not contradict themselves, each other or their run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from gradpareto.bench.store.record import CELL_KEYS, COLUMNS, COUNTS, Record, Status
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.estimators.declaration import Knob
from gradpareto.systems.names import fault_of, shown

MEASURED = ("loss", "abs_error", "rel_error", "abs_error_x0", "abs_error_theta")
"""The columns that a failure does not have."""
FINITE = (
    *("loss", "bias", "deviation", "reference_uncertainty", "stored_bytes", "peak_bytes"),
    *("wall_s", "wall_ratio", "wall_ratio_spread"),
)
"""The columns that are finite where they are known."""
NOT_NEGATIVE = (*MEASURED[1:], *FINITE[1:])
MOST_COUNTED = 2**53
"""A count from this on is none: its sums are not exact."""
SAME, TINY = 1e-9, 1e-300
"""The relative and the absolute difference up to which an error is that of its two blocks."""

Fault = tuple[str, Any]
"""How a fault is told of a row, as a template of its columns, and which rows have it."""


def check_records(table: pd.DataFrame, shared: Mapping[str, Any], path: Path) -> pd.DataFrame:
    """Return the records of the file at `path`, whose run's cells share these values.

    Raises UnusableFolder, which names the first row of the first fault; the header is row 1.
    """
    if found := _first_fault(table, shared):
        row, told = found
        raise UnusableFolder(f"{path}, row {row + 2}: {told}")
    return table


def fault_of_records(records: Sequence[Record], shared: Mapping[str, Any]) -> str:
    """Say what is wrong with the records of a cell; "" if nothing is."""
    found = _first_fault(pd.DataFrame([asdict(one) for one in records], columns=COLUMNS), shared)
    return found[1] if found else ""


def _first_fault(table: pd.DataFrame, shared: Mapping[str, Any]) -> tuple[int, str] | None:
    """Find a row that has a fault, and what that is; None if there is none."""
    for fault, rows in _faults(table, shared) if len(table) else ():
        if len(found := np.flatnonzero(rows)):
            row = table.iloc[found[0]].to_dict()
            cell = " ".join(shown(row[name]) for name in CELL_KEYS)
            return int(found[0]), f"sample {row['sample']} of {cell}: {fault.format_map(row)}"
    return None


def _faults(table: pd.DataFrame, shared: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _faults_of_names(table)
    yield from _faults_of_cells(table, shared)
    yield from _faults_of_counts(table)
    yield from _faults_of_outcomes(table)


def _faults_of_names(table: pd.DataFrame) -> Iterator[Fault]:
    for column in ("system", "theta", "estimator"):
        for name in pd.unique(table[column]):
            if fault := fault_of(name):
                told = f"the {column} {shown(name)} {fault}"
                yield told.replace("{", "{{").replace("}", "}}"), table[column] == name
    for column, kind in (("status", Status), ("knob", Knob)):
        yield f"there is no {column} {{{column}!r:.100}}", ~table[column].isin(get_args(kind))
    first = table.groupby("estimator", sort=False).knob.transform("first")
    yield "its estimator has two knobs", table.knob != first


def _faults_of_cells(table: pd.DataFrame, shared: Mapping[str, Any]) -> Iterator[Fault]:
    samples, seed = shared["samples"], shared["seed"]
    sample, setting = table["sample"], table.setting
    yield "its setting is not positive and finite", ~((setting > 0) & np.isfinite(setting))
    yield f"the run has {samples} samples", (sample < 0) | (sample >= samples)
    yield "there is another record of it", table.duplicated([*CELL_KEYS, "sample"])
    in_cell = table.groupby(CELL_KEYS, sort=False)["sample"].transform("size")
    yield "its cell lacks a sample before it", sample >= in_cell
    yield f"its seed is {{seed}}, that of the run is {seed}", table.seed != seed


def _faults_of_counts(table: pd.DataFrame) -> Iterator[Fault]:
    for name in (*COUNTS, "evals", "steps"):
        wrong = (table[name] < 0) | (table[name] >= MOST_COUNTED)
        yield f"its {name} are {{{name}}}", wrong
    together = table[list(COUNTS)].sum(axis=1)
    yield "its evals are {evals}, not the sum of its counts", table.evals != together


def _faults_of_outcomes(table: pd.DataFrame) -> Iterator[Fault]:
    ok, known = table.status == "ok", table.status.isin(["ok", "zero"])
    yield "it is ok, with a reason", ok & (table.reason != "")
    yield "it is {status}, without a reason", ~ok & (table.reason == "")
    for name in NOT_NEGATIVE:
        yield f"its {name} is negative", table[name] < 0
    for name in (*MEASURED, "reference_uncertainty"):
        needs = ok if name == "rel_error" else known
        yield f"it is {{status}}, without {name}", needs & table[name].isna()
    for name in MEASURED:
        lacks = ~ok if name == "rel_error" else ~known
        yield f"it is {{status}}, with {name}", lacks & table[name].notna()
    for name in FINITE:
        yield f"its {name} is infinite", np.isinf(table[name])
    together = np.hypot(table.abs_error_x0, table.abs_error_theta)
    differs = ~np.isclose(table.abs_error, together, rtol=SAME, atol=TINY)
    yield "its abs_error is not that of its two blocks", known & differs
    # The first two schemas kept errors that overflow, in all columns alike.
    overflowed = np.isinf(table.rel_error) != np.isinf(table.abs_error)
    yield "one of its errors is infinite and another is not", ok & overflowed
