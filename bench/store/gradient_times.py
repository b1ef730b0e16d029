"""The table of the times of gradients that a run folder may have: times.csv."""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd

from gradpareto.bench.store.csv_tables import read_table
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import write_whole

NAME = "times.csv"
SLOWER = "not timed: its calls alone take longer than the fastest gradients"
"""The reason of an estimator that cannot be among the fastest."""
KEYS = ["system", "theta", "error", "batch", "estimator"]


@dataclass(frozen=True)
class GradientTime:
    """A row: the milliseconds of a gradient of a batch, with the quartiles over rounds.

    The setting is the run's cheapest with a median error of at most `error`; it takes a sample
    `evals` evaluations. `calls_ms` is the time of the oracle calls alone, and `model_ms` what the
    wall model predicts for them. What was not measured is NaN, and `reason` says why.
    """

    system: str
    theta: str
    error: float
    batch: int
    estimator: str
    setting: float
    evals: float
    gradient_ms: float = np.nan
    gradient_ms_low: float = np.nan
    gradient_ms_high: float = np.nan
    calls_ms: float = np.nan
    model_ms: float = np.nan
    reason: str = ""


TYPES: dict[str, type] = {
    name: object if kind is str else kind for name, kind in get_type_hints(GradientTime).items()
}


def table_of(rows: Iterable[GradientTime]) -> pd.DataFrame:
    """Return the table of some rows, in the order of their keys."""
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(TYPES))
    order = table.sort_values(KEYS, ascending=[True, True, False, True, True], kind="stable")
    return order.reset_index(drop=True)


def write_times(folder: Path, rows: Iterable[GradientTime]) -> None:
    """Write the table whole. Raises OSError if it cannot be written."""
    write_whole(folder / NAME, table_of(rows).to_csv(index=False))


def read_times(folder: Path) -> pd.DataFrame:
    """Read the table of a folder, which has no rows if there is none.

    Raises UnusableFolder if it is damaged.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return table_of([])
    told = f"is no table of times: name another folder, or delete {NAME}"
    table = read_table(path, lambda found: found == list(TYPES), told, TYPES)
    times = table[["gradient_ms", "gradient_ms_low", "gradient_ms_high", "calls_ms", "model_ms"]]
    sound = (table[["error", "batch", "setting", "evals"]] > 0).all(axis=1)
    sound &= ~((times < 0) | np.isinf(times)).any(axis=1)
    sound &= (table.reason == "") == times.gradient_ms.notna()
    sound &= ~table.duplicated(KEYS)
    if len(bad := np.flatnonzero(~sound)):
        raise UnusableFolder(f"{path}, row {bad[0] + 2}: it has a value that no time has")
    return table


def rows_of(table: pd.DataFrame) -> list[GradientTime]:
    """Return the rows of a table."""
    return [GradientTime(*row) for row in table.itertuples(index=False, name=None)]
