"""The store of cells: what is kept, what is refused, and what a forged file can do."""

import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.cells import CellStore, checksum, make_store, open_store
from gradpareto.bench.store.form import FORM
from gradpareto.bench.store.record import COLUMNS, Cell
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.records_csv import parse_rows
from gradpareto.bench.store.unusable import UnusableFolder
from tests.bench.conftest import SMALL, record

KEY = ("lqr", "optimal", "bptt", 0.5)
SHARED = {"samples": 4, "seed": 0, "x0": "drawn by each system"}


def cell(error: float = 0.25, samples: int = 2) -> list:  # type: ignore[type-arg]
    made = [record("bptt", 0.5, sample, 40, error) for sample in range(samples)]
    return [
        replace(one, loss=1.0, abs_error_x0=error, abs_error_theta=0.0, reason="") for one in made
    ]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of one cell of two samples."""
    made = RunFolder(tmp_path / "run")
    with made.opened(SHARED), made.cells() as store:
        store.write(KEY, cell())
    return made


@pytest.mark.parametrize("number", [int, np.float64, np.float32, np.int64])
def test_a_cell_whose_setting_is_a_number_of_any_type_is_read_back(
    number: Callable[[float], float], tmp_path: Path
) -> None:
    """A script that uses the library names settings such as 1, or takes them from np.logspace."""
    asked, made = Cell("lqr", "optimal", "bptt", number(1), 2), RunFolder(tmp_path / "run")
    with made.opened(SHARED), made.cells() as store:
        store.write(asked.key, [replace(one, setting=asked.setting) for one in cell()])
        assert store.samples(asked.key) == 2
    assert set(made.read_cells().setting) == {1.0}
    assert asked.name == "lqr.optimal.bptt.1.0"


def forge(folder: RunFolder, statement: str, *values: object) -> None:
    connection = sqlite3.connect(folder.store_path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_a_cell_is_read_back_as_it_was_written_and_replaced_as_a_whole(folder: RunFolder) -> None:
    expected = pd.DataFrame([vars(one) for one in cell()])[COLUMNS]
    pd.testing.assert_frame_equal(folder.read_cells(), expected, check_dtype=False)
    with folder.opened(SHARED), folder.cells() as store:
        store.write(KEY, cell(0.125, 3))
        assert store.samples(KEY) == 3
        assert store.samples((*KEY[:3], 0.25)) == 0
        assert store.totals() == (3, 0)
        assert store.measured() == [KEY[:3]]
    assert list(folder.read_cells().abs_error) == [0.125] * 3
    assert sorted(path.name for path in folder.path.iterdir()) == [
        *(".lock", "cells.sqlite", "provenance.json")
    ]


def test_a_cell_that_was_committed_survives_a_kill(folder: RunFolder) -> None:
    """Truth: another process writes a cell, half writes another, and is killed."""
    script = f"""
import os
from tests.bench.store.test_cells import KEY, SHARED, cell
from dataclasses import replace
from gradpareto.bench.store.records import RunFolder
folder = RunFolder({str(folder.path)!r})
with folder.opened(SHARED), folder.cells() as store:
    store.write((*KEY[:3], 0.25), [replace(one, setting=0.25) for one in cell()])
    with store.transaction():
        store.run("DELETE FROM cells")
        os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ)
    assert killed.returncode == -9
    assert list(folder.read_cells().setting) == [0.25, 0.25, 0.5, 0.5]


def test_a_reader_reads_on_while_cells_are_written(folder: RunFolder) -> None:
    with folder.opened(SHARED), folder.cells() as store:
        store.write((*KEY[:3], 0.25), [replace(one, setting=0.25) for one in cell()])
        assert len(folder.read_cells()) == 4
        with store.transaction():
            store.run("DELETE FROM cells")
            assert len(folder.read_cells()) == 4


def packed(text: bytes, samples: int = 2) -> tuple[bytes, bytes]:
    return checksum((*KEY, samples, 0), text), zlib.compress(text)


TEXT = b"".join(
    b"lqr,optimal,bptt,step,%s,%d,0,ok,,1,0.25,0.25,0.25,0,,,1e-15,20,20,0,0,40,0,,,,,\n"
    % (setting, sample)
    for setting, sample in [(b"0.5", 0), (b"0.5", 1)]
)


@pytest.mark.parametrize(
    ("statement", "values", "complaint"),
    [
        ("UPDATE cells SET records = ?", (zlib.compress(TEXT),), "differs from its checksum"),
        ("UPDATE cells SET records = ?", (b"text",), "is no compressed text"),
        ("UPDATE cells SET records = ?", (5,), "is no compressed text"),
        ("UPDATE cells SET records = ?", (zlib.compress(TEXT)[:-3],), "cut short, or too large"),
        ("UPDATE cells SET samples = 3", (), "differs from its checksum"),
        ("UPDATE cells SET samples = -3", (), "has no samples"),
        ("UPDATE cells SET samples = 'x'", (), "wrong types"),
        ("UPDATE cells SET failures = 1", (), "differs from its checksum"),
        ("UPDATE cells SET setting = 0.25", (), "differs from its checksum"),
        (
            "UPDATE cells SET checksum = ?, records = ?",
            packed(TEXT.replace(b"bptt", b"ctpg")),
            "not of their cells",
        ),
        ("UPDATE cells SET checksum = ?, records = ?", packed(TEXT[:90]), "damaged"),
        (
            "UPDATE cells SET checksum = ?, records = ?",
            packed(TEXT.replace(b",0.5,1,", b",0.5,0,")),
            "row 3: .*there is another record of it",
        ),
        ("DROP INDEX cells_by_key", (), "no store of this version"),
        ("CREATE VIEW more AS SELECT load_extension('x')", (), "no store of this version"),
        ("PRAGMA user_version = 3", (), "no store of this version"),
        (
            "CREATE TRIGGER t AFTER INSERT ON cells BEGIN DELETE FROM cells; END",
            (),
            "no store of this version",
        ),
        ("UPDATE sqlite_master SET sql = 'x' WHERE name = 'cells'", (), "malformed|no store"),
        ("UPDATE sqlite_master SET rootpage = 99 WHERE name = 'cells'", (), "cannot use"),
    ],
)
def test_a_forged_store_is_refused_in_one_line(
    folder: RunFolder, statement: str, values: tuple[object, ...], complaint: str
) -> None:
    forge(folder, statement, *values)
    with pytest.raises(UnusableFolder, match=complaint) as told:
        folder.read_cells()
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 400


def test_what_the_forgeries_start_from_is_sound(folder: RunFolder) -> None:
    forge(folder, "UPDATE cells SET checksum = ?, records = ?", *packed(TEXT))
    assert list(folder.read_cells()["sample"]) == [0, 1]


def test_a_bomb_is_not_unpacked(folder: RunFolder) -> None:
    bomb = zlib.compress(bytes(2**27), 1)
    forge(folder, "UPDATE cells SET records = ?", bomb)
    with pytest.raises(UnusableFolder, match="too large"):
        folder.read_cells()


@pytest.mark.parametrize("byte", range(0, 8192, 211))
def test_a_changed_byte_is_found_or_changes_nothing(folder: RunFolder, byte: int) -> None:
    before = folder.read_cells()
    content = bytearray(folder.store_path.read_bytes())
    content[byte % len(content)] ^= 0xFF
    folder.store_path.write_bytes(content)
    with suppress(UnusableFolder):
        pd.testing.assert_frame_equal(folder.read_cells(), before)


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


MATRIX, REDRAW = ("matrix",), ("pareto", "--redraw")
READ = {
    ("provenance.json", False): (MATRIX, REDRAW),
    ("cells.sqlite", False): (MATRIX, REDRAW),
    ("cells.sqlite-wal", False): (MATRIX, REDRAW),
    ("limits/lqr.optimal.csv", False): (REDRAW,),
    ("provenance.json", True): (MATRIX, REDRAW),
    ("records.csv", True): (MATRIX, REDRAW),
    ("SHA256SUMS", True): (MATRIX, REDRAW),
    ("limits/lqr.optimal.csv", True): (REDRAW,),
}
"""The verbs that read a file of a run folder, by its name, and whether the run is published."""


@pytest.mark.parametrize(("name", "published"), READ)
def test_what_is_no_regular_file_is_refused_and_waits_for_nothing(
    name: str, published: bool, small_run: RunFolder, tmp_path: Path, call: Callable[..., Any]
) -> None:
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "run"))
    if published:
        folder.store_path.unlink()
    for kind in (fifo, loop, device, directory):
        kind(folder.path / name)
        for verb in READ[name, published]:
            result = call(*verb, "--out", folder.path)
            assert result.returncode == 2, result.stderr
            assert result.stderr.count("\n") == 1
            assert result.stderr.startswith("gradpareto: ")


@pytest.mark.parametrize("kind", [fifo, loop, device, directory])
def test_certificates_that_are_no_regular_file_are_refused_too(
    kind: Callable[[Path], None], small_run: RunFolder, tmp_path: Path
) -> None:
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "run"))
    kind(folder.certificate_path("lqr", "optimal"))
    with pytest.raises(UnusableFolder, match="cannot read"):
        folder.read_certificate("lqr", "optimal")


def test_records_that_are_not_what_the_store_says_are_made_anew(
    small_run: RunFolder, tmp_path: Path, cache: Path
) -> None:
    """As a kill after the last cell leaves them, or somebody who edits them."""
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "run"))
    whole, sums = folder.records_path.read_bytes(), folder.checksums_path.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], None):
        if damage is None:
            folder.records_path.unlink()
            folder.checksums_path.unlink()
        else:
            folder.records_path.write_bytes(damage)
        sweep(SMALL, folder, cache, report=lambda name, *_: pytest.fail(f"measured {name}"))
        assert folder.records_path.read_bytes() == whole
        assert folder.checksums_path.read_bytes() == sums
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder.path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_published_run_that_was_changed_is_refused(small_run: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "run"))
    folder.store_path.unlink()
    pd.testing.assert_frame_equal(folder.read_cells(), small_run.read_cells())
    readers = {
        folder.records_path: folder.read_cells,
        folder.provenance_path: folder.provenance,
        folder.limit_path("lqr", "optimal"): lambda: folder.read_limit("lqr", "optimal"),
    }
    for path, read in readers.items():
        held = path.read_bytes()
        path.write_bytes(held.replace(b"0", b"1", 1))
        with pytest.raises(UnusableFolder, match=f"{path.name} differs from its checksum"):
            read()
        path.write_bytes(held)
    folder.checksums_path.unlink()
    with pytest.raises(UnusableFolder, match=r"neither cells.sqlite nor SHA256SUMS"):
        folder.read_cells()


def test_a_take_over_that_is_cut_off_leaves_the_published_run_as_it_was(
    small_run: RunFolder, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "run"))
    folder.store_path.unlink()
    put, calls = CellStore.put, list[object]()

    def cut_off(self: CellStore, *arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        put(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(CellStore, "put", cut_off)
        with pytest.raises(OSError, match=r"cannot write .*cells.sqlite: No space left"):
            sweep(SMALL, folder, cache)
    assert not folder.store_path.exists()
    assert not list(folder.path.glob(".*.tmp"))
    pd.testing.assert_frame_equal(folder.read_cells(), small_run.read_cells())


def test_the_keys_are_read_from_an_index_alone(tmp_path: Path) -> None:
    make = tmp_path / "cells.sqlite"
    make.touch()
    make_store(make, lambda store: None)
    with open_store(make) as store:
        for statement in (
            "SELECT samples FROM cells WHERE system = ? AND theta = ? AND estimator = ? "
            "AND setting = ?",
            "SELECT DISTINCT system, theta, estimator FROM cells",
        ):
            plan = store.run(f"EXPLAIN QUERY PLAN {statement}", KEY[: statement.count("?")])
            assert all("USING COVERING INDEX" in row[3] for row in plan)
    assert set(FORM) == {"cells", "cells_by_key", "published", "seen", "untimed"}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", ["1e400", "1e300", "99999999999999999999", "nan", "0.5"])
def test_what_is_no_integer_is_told_by_the_error_alone(number: str) -> None:
    """NumPy warns of a number beyond all integers, which would be a line of its own."""
    row = vars(cell()[0]) | {"seed": number}
    values = [str(row[name]) for name in COLUMNS]
    with pytest.raises((ValueError, OverflowError)):
        parse_rows(",".join(values).encode() + b"\n")


def test_numbers_are_kept_exactly(tmp_path: Path) -> None:
    errors = np.random.default_rng(0).uniform(0, 1, 200) * 10.0 ** np.arange(-100, 100)
    folder = RunFolder(tmp_path / "run")
    with folder.opened({"samples": 1, "seed": 0}), folder.cells() as store:
        for setting, error in enumerate(errors.tolist(), 1):
            one = replace(cell(error, 1)[0], setting=float(setting))
            store.write((*KEY[:3], float(setting)), [one])
        folder.publish(store)
    assert list(folder.read_cells().abs_error) == errors.tolist()
    folder.store_path.unlink()
    assert list(folder.read_cells().abs_error) == errors.tolist()
