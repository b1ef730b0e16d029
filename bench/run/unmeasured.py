"""The records of cells and samples in which nothing is measured."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from gradpareto.bench.store.record import CELL_KEYS, Cell, Record, Status
from gradpareto.estimators import Estimator
from gradpareto.reference import Reference


def blank_record(cell: Cell, estimator: Estimator, seed: int) -> Record:
    """Return the record of a cell in which nothing is measured: counts are 0, other numbers NaN."""
    blank: dict[str, Any] = {
        part.name: 0 if part.type is int else np.nan
        for part in fields(Record)
        if part.type in (int, float)
    }
    known = {name: getattr(cell, name) for name in CELL_KEYS}
    known |= {"knob": estimator.declares.knob, "seed": seed, "status": "ok", "reason": ""}
    return Record(**(blank | known))


def uncertified_records(
    cell: Cell, estimator: Estimator, seed: int, reference: Reference, bound: float
) -> list[Record]:
    """Return the records of a cell's samples whose reference is not usable within the bound."""
    blank = replace(blank_record(cell, estimator, seed), status="uncertified")
    return [
        replace(blank, sample=sample, reason=reference.verdict(sample, bound).text)
        for sample in np.flatnonzero(~reference.usable(bound)[: cell.samples]).tolist()
    ]


def failed_records(
    cell: Cell, estimator: Estimator, seed: int, status: Status, reason: str
) -> list[Record]:
    """Return the records of a cell that was ended from outside."""
    blank = replace(blank_record(cell, estimator, seed), status=status, reason=reason)
    return [replace(blank, sample=sample) for sample in range(cell.samples)]
