"""A published run: a copy that says what the run says, however its records are kept."""

import gzip
import shutil
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store import publication
from gradpareto.bench.store.publication import publish
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from tests.bench.conftest import SMALL, assert_refused


@pytest.fixture
def run(small_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A run of one's own, with everything that a run may have."""
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "run"))
    (folder.path / "aside").mkdir()
    (folder.path / "aside" / "older.csv").write_text("older")
    (folder.path / "figures").mkdir(exist_ok=True)
    (folder.path / "figures" / "one.svg").write_text("<svg/>")
    return folder


@pytest.fixture
def packed(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(publication, "MOST_PLAIN", 100)
    return publish(run, tmp_path / "packed")


def test_a_copy_has_the_records_and_nothing_that_only_measuring_needs(
    run: RunFolder, tmp_path: Path
) -> None:
    published = publish(run, tmp_path / "deep" / "published")
    pd.testing.assert_frame_equal(published.read_cells(), run.read_cells())
    held = {path.name for path in published.path.iterdir()}
    assert not held & {"cells.sqlite", ".lock", "aside"}
    assert {"records.csv", "provenance.json", "SHA256SUMS", "limits", "figures"} <= held


def test_files_can_be_left_out_but_not_what_makes_a_run(run: RunFolder, tmp_path: Path) -> None:
    assert not (publish(run, tmp_path / "no-svg", ["*.svg"]).path / "figures" / "one.svg").exists()
    with pytest.raises(UnusableFolder):
        publish(run, tmp_path / "no-records", ["*.csv", "*.json"])
    assert not (tmp_path / "no-records").exists()


def test_a_stale_table_is_made_anew_from_the_store(run: RunFolder, tmp_path: Path) -> None:
    """A sweep that was killed leaves records.csv behind its store."""
    run.records_path.write_text("older\n")
    published = publish(run, tmp_path / "published")
    pd.testing.assert_frame_equal(published.read_cells(), run.read_cells())


def test_compressed_records_are_read_like_plain_ones(packed: RunFolder, run: RunFolder) -> None:
    assert packed.records_path.name == "records.csv.gz"
    assert not (packed.path / "records.csv").exists()
    pd.testing.assert_frame_equal(packed.read_cells(), run.read_cells())
    assert gzip.decompress(packed.records_path.read_bytes()) == run.records_path.read_bytes()


def test_equal_records_are_compressed_to_equal_files(
    packed: RunFolder, run: RunFolder, tmp_path: Path
) -> None:
    again = publish(run, tmp_path / "again")
    assert again.records_path.read_bytes() == packed.records_path.read_bytes()
    assert again.checksums_path.read_bytes() == packed.checksums_path.read_bytes()


def test_a_published_run_can_be_published_again_and_measured_on(
    packed: RunFolder, run: RunFolder, cache: Path, tmp_path: Path
) -> None:
    publish(packed, tmp_path / "twice")
    measured: list[str] = []
    sweep(SMALL, packed, cache, Budget(jobs=1), lambda name, *_: measured.append(name))
    assert measured == []
    assert [path.name for path in packed.path.glob("records.*")] == ["records.csv"]
    pd.testing.assert_frame_equal(packed.read_cells(), run.read_cells())


@pytest.mark.parametrize("cut", [slice(0, -20), slice(0, 5), slice(0, 0)])
def test_damaged_compressed_records_are_refused(packed: RunFolder, cut: slice) -> None:
    packed.records_path.write_bytes(packed.records_path.read_bytes()[cut])
    with pytest.raises(UnusableFolder, match="differs from its checksum"):
        packed.read_cells()
    packed.write_checksums()
    with pytest.raises(UnusableFolder, match=r"records\.csv\.gz"):
        packed.read_cells()


def test_a_wrong_value_in_compressed_records_is_named(packed: RunFolder) -> None:
    text = gzip.decompress(packed.records_path.read_bytes()).decode()
    lines = text.splitlines(keepends=True)
    fields = lines[1].split(",")
    fields[5] = "first"
    packed.records_path.write_bytes(gzip.compress("".join([lines[0], ",".join(fields)]).encode()))
    packed.write_checksums()
    with pytest.raises(UnusableFolder, match="row 2: its sample is 'first'"):
        packed.read_cells()


def test_nothing_is_overwritten_and_nothing_is_left_behind(  # type: ignore[no-untyped-def]
    call, run: RunFolder, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    for out in (taken, run.path, run.records_path):
        assert_refused(call("publish", run.path, out), "exists")
    assert list(taken.iterdir()) == []
    assert_refused(call("publish", tmp_path / "none", tmp_path / "out"), "no run in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "taken"]


def test_a_changed_published_run_is_not_published(packed: RunFolder, tmp_path: Path) -> None:
    packed.records_path.write_bytes(b"changed")
    with pytest.raises(UnusableFolder, match="differs from its checksum"):
        publish(packed, tmp_path / "again")
    assert not (tmp_path / "again").exists()
