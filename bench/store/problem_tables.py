"""The tables that a run folder keeps of each problem: its quadrature limit and its certificates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from gradpareto.bench.store.csv_tables import read_table
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.reference.certificate import Kind
from gradpareto.whole_file import write_whole


@dataclass(frozen=True)
class ProblemTable:
    """A kind of table: its folder, its columns with their types, and what its values may be."""

    folder: str
    name: str
    types: Mapping[str, type]
    sound: Callable[[pd.DataFrame], Any]

    @property
    def columns(self) -> list[str]:
        return list(self.types)

    @property
    def empty(self) -> pd.DataFrame:
        return pd.DataFrame(columns=self.columns)

    def read(self, path: Path) -> pd.DataFrame:
        """Read a table. Raises UnusableFolder if it is missing, damaged or another table."""
        otherwise = f"is no table of {self.name}: delete its folder"
        table = read_table(path, lambda found: found == self.columns, otherwise, self.types)
        sound = self.sound(table) & (table["sample"] >= 0)
        if len(bad := np.flatnonzero(~sound)):
            raise UnusableFolder(
                f"{path}, row {bad[0] + 2}: it has a value that no {self.name} has"
            )
        return table

    def write(self, path: Path, table: pd.DataFrame) -> None:
        """Write a table, whole. Raises OSError if it cannot be written."""
        path.parent.mkdir(exist_ok=True)
        write_whole(path, table.to_csv(index=False))


LIMITS = ProblemTable(
    "limits",
    "quadrature limit",
    {"sample": np.int64, "vjps": np.int64, "rel_error": float},
    lambda table: (table.vjps > 0) & np.isfinite(table.rel_error) & (table.rel_error > 0),
)
CERTIFICATES = ProblemTable(
    "certificates",
    "certificate",
    {
        **{"sample": np.int64, "kind": object, "verdict": object},
        **{"rel_uncertainty": float, "untested": object, "resolution": float},
    },
    lambda table: (
        table.kind.isin(get_args(Kind))
        & ~table.duplicated("sample")
        & ~(table[["rel_uncertainty", "resolution"]] < 0).any(axis=1)
    ),
)
