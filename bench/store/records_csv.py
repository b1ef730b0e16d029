"""Records as CSV text: written by the row, read exactly, in this form and in older ones."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.store.csv_tables import parsed, read_table
from gradpareto.bench.store.record import COLUMNS, Record

ADDED = ("bias", "deviation")
"""The columns that schema 1 lacks; they are NaN where its records are read."""
REMOVED = ("dtype",)
"""The columns that schemas 1 and 2 have besides; they are left out where records are read."""
_NUMBERS: dict[Any, type] = {int: np.int64, float: float}
TYPES = {part.name: _NUMBERS.get(part.type, object) for part in fields(Record)}
TEXTS = [name for name, kind in TYPES.items() if kind is object]
HEADER = (",".join(COLUMNS) + "\n").encode()


def rows_text(rows: Iterable[Sequence[Any]]) -> bytes:
    """Write rows, each the values of COLUMNS, as CSV without a header.

    NaN is an empty field, and a text that cannot be printed in a line is escaped.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(_field, row) for row in rows])
    return text.getvalue().encode()


def _field(value: Any) -> Any:
    if isinstance(value, str) and not value.isprintable():
        return value.encode("unicode_escape").decode("ascii")
    return "" if isinstance(value, float) and math.isnan(value) else value


def read_records(path: Path) -> pd.DataFrame:
    """Read a table of records. Raises UnusableFolder if it is damaged or of another schema."""
    table = read_table(path, _known, "has records of another schema: name another folder", TYPES)
    table = table.drop(columns=list(REMOVED), errors="ignore")
    return table.assign(**{name: np.nan for name in ADDED if name not in table})[COLUMNS]


def parse_rows(text: bytes) -> pd.DataFrame:
    """Read rows of COLUMNS without a header. Raises ValueError if they are damaged."""
    return parsed(io.BytesIO(HEADER + text), TYPES)


def _known(columns: Sequence[str]) -> bool:
    """Whether these are the columns of a schema that can be read."""
    kept = [name for name in columns if name not in REMOVED]
    first = [name for name in COLUMNS if name not in ADDED]
    return kept in (COLUMNS, first) and len(set(columns)) == len(columns)
