"""The folder in which a run keeps its cells and its records."""

import csv
import io
import json
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from gradpareto.bench.store.file_names import file_stem
from gradpareto.bench.store.record import CELL_KEYS, COLUMNS, Cell, Record
from gradpareto.whole_file import is_unfinished, write_whole

SCHEMA = 3
READABLE = (1, 2, 3)
ADDED = ("bias", "deviation")
"""The columns that schema 1 lacks; they are NaN where its records are read."""
REMOVED = ("dtype",)
"""The columns that schemas 1 and 2 have besides; they are left out where records are read."""
LIMIT = ["sample", "vjps", "rel_error"]
"""The columns of a problem's quadrature limit."""
CERTIFICATE = ["sample", "kind", "verdict", "rel_uncertainty", "untested", "resolution"]
"""The columns of a problem's certificates."""
_NUMBERS = {field.name: field.type for field in fields(Record) if field.type in (int, float)}


class UnusableFolder(ValueError):  # noqa: N818
    """A run folder that cannot be read or written; nothing in it was touched."""


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run: `provenance.json`, a file for each finished cell, the records.

    A cell's file appears whole, by renaming, when the cell is finished. What every cell of the
    folder shares (samples, seed, ...) is fixed when the folder is made.
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
        return self.path / "records.csv"

    @property
    def exists(self) -> bool:
        """Tell whether there is a run here. Raises UnusableFolder if there is something else."""
        if self.provenance_path.is_file():
            return True
        if self.path.exists() and (
            not self.path.is_dir() or not all(map(is_unfinished, self.path.iterdir()))
        ):
            raise UnusableFolder(
                f"{self.path} is no run folder (no provenance.json) and not empty: name another"
            )
        return False

    def require(self) -> None:
        """Raise UnusableFolder if there is no run here."""
        if not self.exists:
            raise UnusableFolder(
                f"there is no run in {self.path}: measure one with gradpareto sweep"
            )

    def open(self, shared: dict[str, Any]) -> None:
        """Make the folder, or check that its run shares these values. Raises UnusableFolder."""
        if self.exists:
            held = self.provenance()["shared"]
            for name, value in shared.items():
                if held.get(name) != value:
                    raise UnusableFolder(
                        f"{self.path} holds a run with {name} {held.get(name)}, not {value}: "
                        "name another folder with --out"
                    )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.provenance_path.is_file():
                self.write_provenance({"schema": SCHEMA, "shared": shared, "sessions": []})
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise UnusableFolder(f"cannot write to {self.path}: {error.strerror}") from error

    def provenance(self) -> dict[str, Any]:
        """Read the provenance. Raises UnusableFolder if it is damaged or of another schema."""
        try:
            found = json.loads(self.provenance_path.read_text(encoding="utf-8"))
            schema, _, _ = found["schema"], found["shared"], found["sessions"]
        except OSError as error:
            raise UnusableFolder(f"cannot read {self.provenance_path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UnusableFolder(
                f"{self.provenance_path} is damaged: name another folder"
            ) from error
        if schema not in READABLE:
            raise UnusableFolder(
                f"{self.path} has records of schema {schema}, this version reads "
                f"{READABLE[0]} to {READABLE[-1]}: name another folder"
            )
        return dict(found)

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        write_whole(self.provenance_path, json.dumps(provenance, indent=2) + "\n")

    def add_session(self, session: dict[str, Any]) -> None:
        """Note in the provenance that a session measured here."""
        provenance = self.provenance()
        provenance["sessions"].append(session)
        provenance["schema"] = SCHEMA  # the session's records are written so
        self.write_provenance(provenance)

    def cell_path(self, cell: Cell) -> Path:
        return (
            self.path / "cells" / f"{file_stem(*cell.problem, cell.estimator)}.{cell.setting!r}.csv"
        )

    def unpack(self) -> None:
        """Make the folder of cells; the records of a published run are split into them."""
        folder = self.path / "cells"
        if folder.is_dir():
            return
        records = self.read_cells()
        folder.mkdir()
        for (system, theta, estimator, setting), rows in records.groupby(CELL_KEYS):
            cell = Cell(str(system), str(theta), str(estimator), float(setting), len(rows))  # type: ignore[arg-type]
            write_whole(self.cell_path(cell), rows.to_csv(index=False))

    def write_cell(self, cell: Cell, records: list[Record]) -> None:
        table = pd.DataFrame([asdict(record) for record in records], columns=COLUMNS)
        write_whole(self.cell_path(cell), table.to_csv(index=False))

    def read_cells(self) -> pd.DataFrame:
        """Read all finished cells in a fixed order. Raises UnusableFolder for a damaged one."""
        if not (self.path / "cells").is_dir() and self.records_path.is_file():
            return read_records(self.records_path)
        paths = sorted((self.path / "cells").glob("*.csv"))
        if not paths:
            return pd.DataFrame(columns=COLUMNS)
        table = pd.concat([read_records(path) for path in paths], ignore_index=True)
        return table.sort_values([*CELL_KEYS, "sample"], ignore_index=True)

    def limit_path(self, system: str, theta: str) -> Path:
        return self.path / "limits" / f"{file_stem(system, theta)}.csv"

    def write_limit(self, system: str, theta: str, limit: pd.DataFrame) -> None:
        """Keep the quadrature limit: columns sample, vjps, rel_error."""
        _write_table(self.limit_path(system, theta), limit)

    def read_limit(self, system: str, theta: str) -> pd.DataFrame:
        """Read the quadrature limit. Raises UnusableFolder if it is missing or damaged."""
        return _read_table(self.limit_path(system, theta), LIMIT, "is not a quadrature limit")

    def certificate_path(self, system: str, theta: str) -> Path:
        return self.path / "certificates" / f"{file_stem(system, theta)}.csv"

    def write_certificate(self, system: str, theta: str, certificate: pd.DataFrame) -> None:
        """Keep the verdict on each sample's reference, in the columns of `certificate_table`."""
        _write_table(self.certificate_path(system, theta), certificate)

    def read_certificate(self, system: str, theta: str) -> pd.DataFrame:
        """Read the verdicts on a problem's references; none if it was not measured here.

        Raises UnusableFolder if they are damaged.
        """
        path = self.certificate_path(system, theta)
        if not path.is_file():
            return pd.DataFrame(columns=CERTIFICATE)
        return _read_table(path, CERTIFICATE, "holds no certificates", keep_default_na=False)

    def write_records(self) -> pd.DataFrame:
        """Gather the finished cells into records.csv."""
        records = self.read_cells()
        write_whole(self.records_path, records.to_csv(index=False))
        return records


def cell_key(path: Path) -> tuple[str, str, str]:
    """Read a cell's system, preset and estimator. Raises UnusableFolder if it is damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            first = next(csv.DictReader(file))
        return first["system"], first["theta"], first["estimator"]
    except (OSError, ValueError, KeyError, StopIteration, csv.Error) as error:
        raise UnusableFolder(f"{path} is damaged: delete it to measure it again") from error


def _write_table(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(exist_ok=True)
    write_whole(path, table.to_csv(index=False))


def _read_table(path: Path, columns: list[str], otherwise: str, **reading: Any) -> pd.DataFrame:
    """Read a table of these columns. Raises UnusableFolder, which says `otherwise` what it is."""
    try:
        table: pd.DataFrame = pd.read_csv(path, **reading)
    except (OSError, ValueError) as error:
        raise UnusableFolder(f"cannot read {path}: {error}") from error
    if list(table.columns) != columns:
        raise UnusableFolder(f"{path} {otherwise}: delete its folder")
    return table


def read_records(path: Path) -> pd.DataFrame:
    """Read a table of records. Raises UnusableFolder if it is damaged or of another schema."""
    try:
        text = path.read_text(encoding="utf-8")
        if not text.endswith("\n"):
            raise UnusableFolder(f"{path} is cut short: delete it to measure it again")
        # As text first: Python's float() is exact whatever pandas' parser does.
        table = pd.read_csv(io.StringIO(text), dtype=object, keep_default_na=False)
        table = table.drop(columns=list(REMOVED), errors="ignore")
        if list(table.columns) == [name for name in COLUMNS if name not in ADDED]:
            table = table.assign(**dict.fromkeys(ADDED, ""))[COLUMNS]
        if list(table.columns) != COLUMNS:
            raise UnusableFolder(f"{path} has records of another schema: name another folder")
        for name, convert in _NUMBERS.items():
            table[name] = [convert(value or "nan") for value in table[name]]
    except OSError as error:
        raise UnusableFolder(f"cannot read {path}: {error.strerror}") from error
    except UnusableFolder:
        raise
    except ValueError as error:
        raise UnusableFolder(f"{path} is damaged: delete it to measure it again") from error
    return table
