"""Takes a run of an older form, or one that was published, over into a store of cells."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from gradpareto.bench.store.cells import CellStore, make_store
from gradpareto.bench.store.checksums import digest
from gradpareto.bench.store.record import CELL_KEYS, COLUMNS
from gradpareto.bench.store.records_csv import read_records
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import is_unfinished, replacing

OLD = "cells"
"""The folder in which older versions kept a file of records for each cell."""
Checked = Callable[[pd.DataFrame, Path], pd.DataFrame]
"""A function that checks the records of a file, and returns them."""


def older_records(records: Path, folder: Path, checked: Checked) -> pd.DataFrame | None:
    """Return the records of a run that has no store: of its cells' files, and of records.csv.

    A cell that has a file is not read from records.csv, which may be older. Returns None if the
    run has no records yet.
    """
    paths = sorted(folder.glob("*.csv")) if folder.is_dir() else []
    parts = {path: read_records(path) for path in paths}
    if records.exists() or records.is_symlink():
        rest = read_records(records)
        if parts:
            held = pd.MultiIndex.from_frame(pd.concat(parts.values())[CELL_KEYS])
            rest = rest[~pd.MultiIndex.from_frame(rest[CELL_KEYS]).isin(held)]
        parts[records] = rest
    if len(parts) < 2:
        return next((checked(table, path) for path, table in parts.items()), None)
    table = pd.concat(parts.values(), ignore_index=True)
    try:
        return checked(table.sort_values([*CELL_KEYS, "sample"], ignore_index=True), folder)
    except UnusableFolder:
        for path, part in parts.items():  # whose fault is it?
            checked(part, path)
        raise


def take_over(store: Path, records: Path, folder: Path, checked: Checked) -> None:
    """Make the store of a run that has none, with the records that the run has.

    It is made under a temporary name and renamed, so that it is there as a whole or not at all,
    and nothing else is changed until it is.
    """
    table = older_records(records, folder, checked)

    def fill(made: CellStore) -> None:
        for key, rows in _cells(table):
            made.put(key, rows)
        if table is not None and not folder.is_dir():
            made.set_published((made.digest(), digest(records)))

    with replacing(store) as temporary:
        make_store(temporary, fill)


def remove_older(folder: Path, store: CellStore) -> None:
    """Remove the cells' files that have been taken over into the store, and keep all others."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with suppress(OSError, UnusableFolder):  # what is left there does no harm
        for path in folder.iterdir():
            if is_unfinished(path) or (path.suffix == ".csv" and _has(store, path)):
                path.unlink()
        folder.rmdir()


def _has(store: CellStore, path: Path) -> bool:
    """Whether the store has all cells of a file."""
    cells = _cells(read_records(path))
    return all(store.samples(key) >= len(rows) for key, rows in cells)


def _cells(table: pd.DataFrame | None) -> Iterator[tuple[Any, list[Any]]]:
    """Give each cell's key and rows of a table that is ordered by key."""
    if table is None:
        return
    places = [COLUMNS.index(name) for name in CELL_KEYS]
    rows = table.itertuples(index=False, name=None)
    for key, own in groupby(rows, key=lambda row: tuple(row[place] for place in places)):
        yield key, list(own)
