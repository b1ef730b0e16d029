"""The store of a run's finished cells, a SQLite file: one row, and one transaction, for each."""

import hashlib
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradpareto.bench.store.form import FORM, VERSION, check_form, upgrade
from gradpareto.bench.store.record import CELL_KEYS, COLUMNS, SUCCESSES, Record
from gradpareto.bench.store.records_csv import TEXTS, parse_rows, rows_text
from gradpareto.bench.store.sqlite_file import connected, told
from gradpareto.bench.store.sweep_notes import Seen, forget, note
from gradpareto.bench.store.unusable import UnusableFolder

KEY = ", ".join(CELL_KEYS)
BY_KEY = "cells INDEXED BY cells_by_key"
OF_CELL = " AND ".join(f"{name} = ?" for name in CELL_KEYS)
MOST_BYTES = 2**26
"""The most bytes of a cell's records."""
PARSED_BYTES = 2**24
"""The bytes of text that are parsed at once."""
FETCHED = 256
"""The rows that are fetched at once."""
KINDS = (str, str, str, float, int, int, bytes)
"""The types of what the index has of a cell."""
Key = tuple[str, str, str, float]
Condition = tuple[str, Sequence[Any]]
"""A condition on the key of a cell in SQL, and the values of its parameters."""
EVERY: Condition = ("1", ())


class Row(NamedTuple):
    """A row of the index: a cell's key, how many of its records fail, and their checksum."""

    system: str
    theta: str
    estimator: str
    setting: float
    samples: int
    failures: int
    checksum: bytes

    @property
    def known(self) -> tuple[Any, ...]:
        """The values that the checksum covers beside the records."""
        return self[:-1]

    def fault(self) -> str:
        """Say what is wrong with these values, since SQLite takes any; "" if nothing is."""
        if tuple(map(type, self)) != KINDS:
            return "has values of wrong types"
        return "" if self.samples > 0 else "has no samples"


class CellStore:
    """The finished cells of a run. Every method raises UnusableFolder if the file is damaged.

    A cell that was written is kept, whenever the process is killed afterwards.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run a statement of SQL, and return what it finds."""
        with told(self.path):
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Have what the block does be done as a whole, or not at all."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with suppress(UnusableFolder):  # a full disk has ended the transaction already
                self.run("ROLLBACK")
            raise

    def write(
        self, key: Key, records: Iterable[Record], seen: Seen | None = None, untimed: bool = False
    ) -> None:
        """Keep the records of a finished cell, in place of older ones of the same key.

        With them are noted the point that they are on a traced frontier, and whether their times
        are still to be taken.
        """
        with self.transaction():
            forget(self.run, (OF_CELL, key))
            self.put(key, _rows(records))
            note(self.run, key, seen, untimed)

    def rewrite(self, key: Key, records: Iterable[Record]) -> None:
        """Put other records in the place of a finished cell's; what is noted of it stays."""
        with self.transaction():
            self.put(key, _rows(records))

    def put(self, key: Key, rows: Sequence[Sequence[Any]]) -> None:
        """Put a cell's rows, each the values of COLUMNS, into the store inside a transaction."""
        at = COLUMNS.index("status")
        text = rows_text(rows)
        failures = sum(row[at] not in SUCCESSES for row in rows)
        known = (*key, len(rows), failures)
        self.run(f"DELETE FROM cells WHERE {OF_CELL}", key)
        self.run(
            "INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*known, checksum(known, text), zlib.compress(text, 1)),
        )

    def samples(self, key: Key) -> int:
        """Return the number of samples that a cell was measured on, 0 if it was not."""
        found = self.run(f"SELECT samples FROM cells WHERE {OF_CELL}", key)
        return int(found[0][0]) if found else 0

    def measured(self) -> list[tuple[str, str, str]]:
        """Return the systems, presets and estimators of the cells, each triple once."""
        names = "system, theta, estimator"
        return self.run(f"SELECT DISTINCT {names} FROM cells ORDER BY {names}")

    def index(self, where: Condition = EVERY) -> Iterator[Row]:
        """Give what the index has of each cell, in the order of the keys."""
        columns = f"{KEY}, samples, failures, checksum"
        statement = f"SELECT {columns} FROM {BY_KEY} WHERE {where[0]} ORDER BY {KEY}"
        for found in self._fetched(statement, where[1]):
            row = Row(*found)
            if fault := row.fault():
                raise UnusableFolder(f"{self.path} is damaged: a cell {fault}")
            yield row

    def totals(self) -> tuple[int, int]:
        """Return the number of records, and how many of them are failures."""
        ((records, failures),) = self.run("SELECT total(samples), total(failures) FROM cells")
        return int(records), int(failures)

    def digest(self, where: Condition = EVERY) -> str:
        """Return a digest of the cells, which is made from the index alone."""
        found = hashlib.sha256()
        for row in self.index(where):
            found.update(row.checksum)
        return found.hexdigest()

    def texts(self, where: Condition = EVERY) -> Iterator[tuple[Row, bytes]]:
        """Give the records of each cell as CSV without a header, in the order of the keys."""
        columns = f"{KEY}, samples, failures, checksum, records"
        statement = f"SELECT {columns} FROM {BY_KEY} WHERE {where[0]} ORDER BY {KEY}"
        row = None
        for *values, packed in self._fetched(statement, where[1]):
            row = Row(*values)
            yield row, self._unpacked(row, packed)
        lacking = f"SELECT 1 FROM cells NOT INDEXED WHERE {where[0]} LIMIT 1"
        if row is None and self.run(lacking, where[1]):
            raise UnusableFolder(f"{self.path} is damaged: its index lacks cells")

    def table(self, where: Condition = EVERY) -> pd.DataFrame:
        """Return the records of the cells in a table of COLUMNS, in the order of the keys."""
        parts, rows, texts, size = [], list[Row](), list[bytes](), 0
        for row, text in self.texts(where):
            rows.append(row)
            texts.append(text)
            size += len(text)
            if size > PARSED_BYTES:
                parts.append(self._parsed(rows, texts))
                rows, texts, size = [], [], 0
        if rows:
            parts.append(self._parsed(rows, texts))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)

    def records(self, key: Key) -> list[Record]:
        """Return the records of a cell."""
        rows = self.table((OF_CELL, key)).itertuples(index=False, name=None)
        return [Record(*row) for row in rows]

    def remove(self, where: Condition) -> int:
        """Take cells out of the store, and return how many."""
        with self.transaction():
            ((count,),) = self.run(f"SELECT count(*) FROM cells WHERE {where[0]}", where[1])
            forget(self.run, where)
            self.run(f"DELETE FROM cells WHERE {where[0]}", where[1])
        return int(count)

    @property
    def published(self) -> tuple[str, str] | None:
        """The digest of the cells that records.csv was last made from, and the file's own."""
        found = self.run("SELECT cells, records FROM published")
        return (str(found[0][0]), str(found[0][1])) if found else None

    def set_published(self, digests: tuple[str, str]) -> None:
        """Note these digests, inside a transaction."""
        self.run("DELETE FROM published")
        self.run("INSERT INTO published VALUES (?, ?)", digests)

    def _fetched(self, statement: str, values: Sequence[Any]) -> Iterator[Any]:
        with told(self.path):
            cursor = self._connection.execute(statement, values)
        while True:
            with told(self.path):
                found = cursor.fetchmany(FETCHED)
            if not found:
                return
            yield from found

    def _unpacked(self, row: Row, packed: Any) -> bytes:
        """Unpack a cell's records, and check that they are what was written."""
        fault, text = row.fault(), b""
        try:
            unpacking = zlib.decompressobj()
            text = unpacking.decompress(packed, MOST_BYTES)
            fault = fault or ("" if unpacking.eof else "is cut short, or too large")
        except (TypeError, zlib.error):
            fault = "is no compressed text"
        if not fault and checksum(row.known, text) != row.checksum:
            fault = "differs from its checksum"
        if fault:
            key = " ".join(map(str, row[:4]))[:200]
            raise UnusableFolder(f"{self.path} is damaged: the cell {key!r} {fault}")
        return text

    def _parsed(self, rows: Sequence[Row], texts: Sequence[bytes]) -> pd.DataFrame:
        """Parse the records of some cells, and check that they are of these cells."""
        try:
            table = parse_rows(b"".join(texts))
        except (ValueError, OverflowError) as error:
            raise UnusableFolder(f"{self.path} is damaged: {error}") from error
        samples = [row.samples for row in rows]
        same = len(table) == sum(samples) and all(
            (table[name] == np.repeat([getattr(row, name) for row in rows], samples)).all()
            for name in CELL_KEYS
        )
        if not same:
            raise UnusableFolder(f"{self.path} is damaged: the records are not of their cells")
        for name in TEXTS:  # so that the parts of a table share them
            table[name] = table[name].map(sys.intern).astype(object)
        return table


def _rows(records: Iterable[Record]) -> list[list[Any]]:
    """Return the values of COLUMNS of each record."""
    return [[getattr(one, name) for name in COLUMNS] for one in records]


def checksum(known: Sequence[Any], text: bytes) -> bytes:
    """Return the checksum of a cell: of its key, its samples, its failures and its records."""
    return hashlib.sha256(repr(tuple(known)).encode() + b"\n" + text).digest()


@contextmanager
def open_store(path: Path, write: bool = False) -> Iterator[CellStore]:
    """Open the store of a run. Raises UnusableFolder if it is no such store, or damaged."""
    with connected(path, "rw" if write else "ro") as connection:
        store = CellStore(path, connection)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2 * MOST_BYTES)
        check_form(store.run, path)
        if write:
            with store.transaction():
                upgrade(store.run)
            # A reader may read on while a cell is written, and a commit waits for no disk.
            store.run("PRAGMA journal_mode = WAL")
            store.run("PRAGMA synchronous = NORMAL")
        try:
            yield store
        finally:
            if write:
                # At rest the store is one file, which opens in a folder that is only read, too.
                with suppress(UnusableFolder):
                    store.run("PRAGMA busy_timeout = 0")
                    store.run("PRAGMA journal_mode = DELETE")


def make_store(path: Path, fill: Callable[[CellStore], None]) -> None:
    """Make a store in an empty file, and fill it. It must take its place by a renaming."""
    with connected(path, "rw") as connection:
        store = CellStore(path, connection)
        store.run("PRAGMA journal_mode = OFF")
        store.run("PRAGMA synchronous = OFF")
        store.run("BEGIN")
        for statement in FORM.values():
            store.run(statement)
        store.run(f"PRAGMA user_version = {VERSION}")
        fill(store)
        store.run("COMMIT")
