"""The folder in which a run keeps its cells and its records."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from gradpareto.bench.store.cells import CellStore, open_store
from gradpareto.bench.store.checksums import NAME as CHECKSUMS
from gradpareto.bench.store.checksums import check_file, digest, write_checksums
from gradpareto.bench.store.file_names import file_stem, inside
from gradpareto.bench.store.lock import NAME as LOCK
from gradpareto.bench.store.lock import locked
from gradpareto.bench.store.problem_tables import CERTIFICATES, LIMITS, ProblemTable
from gradpareto.bench.store.provenance import read_provenance
from gradpareto.bench.store.record import COLUMNS
from gradpareto.bench.store.records_csv import HEADER
from gradpareto.bench.store.soundness import check_records
from gradpareto.bench.store.taking_over import (
    OLD,
    Checked,
    older_records,
    remove_older,
    take_over,
)
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import is_unfinished, remove_unfinished, write_whole

SCHEMA = 4
READABLE = (1, 2, 3, 4)
CHECKED_FROM = 4
"""From this schema on, a published run has checksums."""
RECORDS, COMPRESSED = "records.csv", "records.csv.gz"
"""The file of the records, and its name in a published run that has many."""


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run.

    While it is measured, its finished cells are in the store `cells.sqlite`, and all else is made
    from them: `records.csv`, and the checksums of what is published. A folder without a store is a
    published run, which its `SHA256SUMS` vouches for, or one of an older version; many records are
    `records.csv.gz` there. What every cell of the folder shares (samples, seed, ...) is fixed when
    the folder is made.
    """

    location: str | Path

    @property
    def path(self) -> Path:
        return Path(self.location)

    @property
    def provenance_path(self) -> Path:
        return self.path / "provenance.json"

    @property
    def records_path(self) -> Path:
        packed, plain = self.path / COMPRESSED, self.path / RECORDS
        only_packed = os.path.lexists(packed) and not os.path.lexists(plain)
        return packed if only_packed and not self.has_store else plain

    @property
    def checksums_path(self) -> Path:
        return self.path / CHECKSUMS

    @property
    def store_path(self) -> Path:
        return self.path / "cells.sqlite"

    @property
    def has_store(self) -> bool:
        return os.path.lexists(self.store_path)

    @property
    def exists(self) -> bool:
        """Tell whether there is a run here. Raises UnusableFolder if there is something else."""
        try:
            if os.path.lexists(self.provenance_path):
                return True
            held = self.path.iterdir() if os.path.lexists(self.path) else ()
            if any(path.name != LOCK and not is_unfinished(path) for path in held):
                raise UnusableFolder(
                    f"{self.path} is no run folder (no provenance.json) and not empty: name another"
                )
        except NotADirectoryError as error:
            raise UnusableFolder(f"{self.path} is no folder: name another") from error
        except OSError as error:
            raise UnusableFolder(f"cannot read {self.path}: {error.strerror}") from error
        return False

    def require(self) -> None:
        """Raise UnusableFolder if there is no run here."""
        if not self.exists:
            raise UnusableFolder(
                f"there is no run in {self.path}: measure one with gradpareto sweep"
            )

    @contextmanager
    def opened(self, shared: dict[str, Any]) -> Iterator[None]:
        """Make the folder, or check that its run shares these values, and keep others out of it.

        Raises UnusableFolder. What killed processes left half written is removed.
        """
        self._check_shared(shared)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnusableFolder(f"cannot write to {self.path}: {error.strerror}") from error
        with locked(self.path):
            self._check_shared(shared)  # another process may have made it meanwhile
            parts = (".", LIMITS.folder, CERTIFICATES.folder, "figures")
            remove_unfinished(self.path / part for part in parts)
            if not self.exists:
                self.write_provenance({"schema": SCHEMA, "shared": shared, "sessions": []})
            yield

    def _check_shared(self, shared: dict[str, Any]) -> None:
        held = self.provenance()["shared"] if self.exists else shared
        for name, value in shared.items():
            if held.get(name) != value:
                raise UnusableFolder(
                    f"{self.path} holds a run with {name} {held.get(name)!s:.100}, not {value}: "
                    "name another folder with --out"
                )

    def provenance(self) -> dict[str, Any]:
        """Read the provenance. Raises UnusableFolder if it is damaged or of another schema."""
        found = read_provenance(self.provenance_path)
        if found["schema"] not in READABLE:
            raise UnusableFolder(
                f"{self.path} has records of schema {found['schema']}, this version reads "
                f"{READABLE[0]} to {READABLE[-1]}: name another folder"
            )
        self._check_published(self.provenance_path)
        return found

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        """Write the provenance; what is published without a store is no more, until it is again."""
        if not self.has_store:
            self.checksums_path.unlink(missing_ok=True)
        write_whole(self.provenance_path, json.dumps(provenance, indent=2) + "\n")

    def add_session(self, session: dict[str, Any]) -> None:
        """Note in the provenance that a session measured here."""
        provenance = self.provenance()
        provenance["sessions"].append(session)
        provenance["schema"] = SCHEMA  # the session's records are written so
        self.write_provenance(provenance)

    @contextmanager
    def cells(self) -> Iterator[CellStore]:
        """Open the store of the cells for writing, inside `opened`.

        A run that has none is taken over into one. Raises UnusableFolder.
        """
        old = self.path / OLD
        if not self.has_store:
            self._check_published(self.records_path)
            take_over(self.store_path, self.records_path, old, self._checked())
        with open_store(self.store_path, write=True) as store:
            remove_older(old, store)
            yield store

    def totals(self) -> tuple[int, int]:
        """Return the number of records in the store, and how many of them are failures."""
        with open_store(self.store_path) as store:
            return store.totals()

    def read_cells(self) -> pd.DataFrame:
        """Read all finished cells in a fixed order.

        Raises UnusableFolder if they are damaged, contradict themselves, or are not what was
        published.
        """
        checked = self._checked()
        if self.has_store:
            with open_store(self.store_path) as store:
                return checked(store.table(), self.store_path)
        self._check_published(self.records_path)
        table = older_records(self.records_path, self.path / OLD, checked)
        return pd.DataFrame(columns=COLUMNS) if table is None else table

    def publish(self, store: CellStore) -> None:
        """Make records.csv and the checksums from the store, where they are not what it says."""
        try:
            held = digest(self.records_path)
        except OSError:
            held = ""
        cells = store.digest()
        if store.published != (cells, held):
            made = hashlib.sha256()
            write_whole(self.records_path, _records_text(store, made))
            held = made.hexdigest()
            (self.path / COMPRESSED).unlink(missing_ok=True)  # the store has what it held
            with store.transaction():
                store.set_published((cells, held))
        self.write_checksums(held)

    def check_records(self) -> None:
        """Raise UnusableFolder if the records of a published run are not what was published."""
        self._check_published(self.records_path)

    def publish_table(self, table: pd.DataFrame, numbers: str | None = None) -> None:
        """Write records.csv, of any columns, and the checksums of a folder that has no store.

        `numbers` is the format of floats, as in "%.8g". Default: all their digits.
        """
        write_whole(self.records_path, table.to_csv(index=False, float_format=numbers))
        self.write_checksums()

    def write_checksums(self, of_records: str = "") -> None:
        """Write the checksums of what is published; that of the records may be known already.

        Raises UnusableFolder if a file cannot be read, and OSError if they cannot be written.
        """
        tables = [*self.path.glob("limits/*.csv"), *self.path.glob("certificates/*.csv")]
        try:
            known = {self.records_path: of_records or digest(self.records_path)}
            known |= {path: digest(path) for path in (self.provenance_path, *sorted(tables))}
        except OSError as error:
            raise UnusableFolder(f"cannot read a file of {self.path}: {error}") from error
        write_checksums(self.path, known)

    def limit_path(self, system: str, theta: str) -> Path:
        return self._path_of(LIMITS, system, theta)

    def write_limit(self, system: str, theta: str, limit: pd.DataFrame) -> None:
        """Keep the quadrature limit: columns sample, vjps, rel_error."""
        LIMITS.write(self.limit_path(system, theta), limit)

    def read_limit(self, system: str, theta: str) -> pd.DataFrame:
        """Read the quadrature limit. Raises UnusableFolder if it is missing or damaged."""
        path = self.limit_path(system, theta)
        self._check_published(path)
        return LIMITS.read(path)

    def certificate_path(self, system: str, theta: str) -> Path:
        return self._path_of(CERTIFICATES, system, theta)

    def write_certificate(self, system: str, theta: str, certificate: pd.DataFrame) -> None:
        """Keep the verdict on each sample's reference, in the columns of `certificate_table`."""
        CERTIFICATES.write(self.certificate_path(system, theta), certificate)

    def read_certificate(self, system: str, theta: str) -> pd.DataFrame:
        """Read the verdicts on a problem's references; none if it was not measured here.

        Raises UnusableFolder if they are damaged.
        """
        path = self.certificate_path(system, theta)
        self._check_published(path)
        return CERTIFICATES.read(path) if os.path.lexists(path) else CERTIFICATES.empty

    def _path_of(self, kind: ProblemTable, system: str, theta: str) -> Path:
        return inside(self.path, kind.folder, f"{file_stem(system, theta)}.csv")

    def _checked(self) -> Checked:
        """The check of this run's records. Raises UnusableFolder if it is not a sweep's."""
        shared = self.provenance()["shared"]
        if not {"samples", "seed"} <= shared.keys():
            raise UnusableFolder(f"{self.path} holds no records of a sweep: name another folder")
        return lambda table, path: check_records(table, shared, path)

    def _check_published(self, path: Path) -> None:
        """Check a file of a published run against the checksums. Raises UnusableFolder."""
        if self.has_store or not os.path.lexists(path):
            return
        if os.path.lexists(self.checksums_path):
            check_file(self.path, path)
        elif path == self.records_path and self.provenance()["schema"] >= CHECKED_FROM:
            raise UnusableFolder(
                f"{self.path} has neither cells.sqlite nor {CHECKSUMS}: name another folder"
            )


def _records_text(store: CellStore, made: Any) -> Iterator[bytes]:
    """Give the text of records.csv in parts, and have a hash `made` of it meanwhile."""
    for part in chain([HEADER], (text for _, text in store.texts())):
        made.update(part)
        yield part
