"""Reads CSV tables that others may have written: exactly, within bounds, and never by waiting."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pandas as pd

from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import opened

LONGEST_LINE = 100_000
"""The most bytes of a line; a record has some 300."""
# From pandas 3.1 on, numbers are read exactly whatever is asked for, and asking is deprecated.
_EXACT: dict[str, Any] = (
    {}
    if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    else {"float_precision": "round_trip"}
)


def read_table(
    path: Path, known: Callable[[Sequence[str]], bool], otherwise: str, types: Mapping[str, type]
) -> pd.DataFrame:
    """Read a table whose columns are `known`; each has one of the types, or else is a text.

    An empty field of a float is NaN. Raises UnusableFolder if the file is damaged, cut short or no
    regular file, or has other columns, which `otherwise` says.
    """
    try:
        with _unpacked(path) as file:
            columns = _checked_form(path, file, known, otherwise)
            file.seek(0)
            return parsed(file, {name: types.get(name, object) for name in columns})
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnusableFolder(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise UnusableFolder(f"cannot read {path}: {error.strerror}") from error
    except UnusableFolder:
        raise
    except (ValueError, OverflowError) as error:
        told = _first_fault(path, types) or " is damaged"
        raise UnusableFolder(f"{path}{told}: delete it to measure it again") from error


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, and unpack it if its name says that it is compressed."""
    with opened(path) as file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.open(file) as unpacked:
            yield cast(BinaryIO, unpacked)


def _first_fault(path: Path, types: Mapping[str, type]) -> str:
    """Say in which row a value is of another type; "" if that is not what is wrong."""
    numbers = {name: kind for name, kind in types.items() if kind is not object}
    with suppress(ValueError, OSError), _unpacked(path) as file:
        rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
        for row in rows:
            for name, kind in numbers.items():
                value = row.get(name, "0")
                try:
                    kind("nan" if kind is float and not value else value)
                except (ValueError, OverflowError):
                    return f", row {rows.line_num}: its {name} is {value!r:.100}"
    return ""


def parsed(file: BinaryIO, types: Mapping[str, type]) -> pd.DataFrame:
    """Read a table of these columns. Raises ValueError or OverflowError for another type."""
    with np.errstate(invalid="ignore"):  # a number beyond all integers is told by the error alone
        table: pd.DataFrame = pd.read_csv(
            file,
            dtype=dict(types),
            keep_default_na=False,
            na_values={name: [""] for name, kind in types.items() if kind is float},
            index_col=False,
            encoding="utf-8",
            **_EXACT,
        )
    return table


def _checked_form(
    path: Path, file: BinaryIO, known: Callable[[Sequence[str]], bool], otherwise: str
) -> list[str]:
    """Check that every row has a value for each column, and return the columns.

    Raises UnusableFolder, which names the row, or ValueError.
    """
    rows = csv.reader(_lines(path, file), strict=True)
    try:
        columns = next(rows, [])
        if not known(columns):
            raise UnusableFolder(f"{path} {otherwise}")
        for row in rows:
            if len(row) != len(columns):
                told = f"it has {len(row)} values, not {len(columns)}"
                raise UnusableFolder(f"{path}, row {rows.line_num}: {told}")
    except csv.Error as error:
        raise UnusableFolder(f"{path}, row {rows.line_num}: {error}") from error
    return columns


def _lines(path: Path, file: BinaryIO) -> Iterator[str]:
    """Give the lines of a file. Raises UnusableFolder at one that no writer of ours makes."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise UnusableFolder(f"{path}, row {number}: it is too long")
        if not line.endswith(b"\n"):
            raise UnusableFolder(f"{path} is cut short: delete it to measure it again")
        if b"\0" in line:
            raise UnusableFolder(f"{path}, row {number}: it has a null character")
        yield line.decode()
