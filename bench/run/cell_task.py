"""One cell as a task: what a worker is sent, and the records that it returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradpareto.bench.run.measure import measure
from gradpareto.bench.run.unmeasured import failed_records, uncertified_records
from gradpareto.bench.store.record import Cell, Record, Status
from gradpareto.bench.store.soundness import fault_of_records
from gradpareto.estimators import Estimator
from gradpareto.reference import Reference
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Setup:
    """The setup that all cells of a problem have: its samples x0 (S, state_dim), their truth."""

    problem: Problem
    x0: Array
    reference: Reference


@dataclass(frozen=True)
class CellTask:
    """A cell to be measured, all of it or in part, within its bounds.

    `timed` and `rest` are as `measure` has them; `run` holds the values that all cells of the run
    folder share.
    """

    cell: Cell
    estimator: Estimator
    run: Mapping[str, Any]
    bound: float
    cell_seconds: float
    cell_bytes: int
    cache: Path
    timed: bool
    rest: bool = True

    def measured(self, setup: Setup) -> list[Record]:
        """Measure the cell, and return its records, or those of a failure if they are unsound."""
        seen = slice(self.cell.samples)
        records = measure(
            self.cell,
            self.estimator,
            setup.problem.take(np.arange(self.cell.samples)),
            setup.x0[seen],
            setup.reference,
            self.run["seed"],
            self.cell_bytes,
            self.timed,
            self.bound,
            self.cell_seconds,
            self.cache,
            self.rest,
        )
        fault = fault_of_records(records, self.run)
        return self.failed(setup.reference, "shape", fault) if fault else records

    def failed(self, reference: Reference, status: Status, reason: str) -> list[Record]:
        """Return the records of the cell if it was ended from outside."""
        seed = self.run["seed"]
        records = failed_records(self.cell, self.estimator, seed, status, reason)
        left_out = uncertified_records(self.cell, self.estimator, seed, reference, self.bound)
        for record in left_out:
            records[record.sample] = record
        return records


def measure_cell(task: CellTask, setup: Setup) -> list[Record]:
    """Measure a cell: what a worker is asked to do."""
    return task.measured(setup)
