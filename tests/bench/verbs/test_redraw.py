"""`pareto --redraw` makes the tables and figures of a run from its records alone."""

import shutil
from pathlib import Path

import pandas as pd

from gradpareto.bench.store.records import RunFolder
from tests.bench.conftest import assert_refused


def test_a_run_is_drawn_again_without_measuring(call, small_run: RunFolder, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The folder lacks all but two of the plan's estimators, and has no cells."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("records.csv", "provenance.json", "SHA256SUMS"):
        shutil.copy(small_run.path / name, folder / name)
    shutil.copytree(small_run.path / "limits", folder / "limits")
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    cache = tmp_path / "references"
    drawn = call("pareto", "--redraw", "--out", folder, "--cache", cache)
    assert drawn.returncode == 0, drawn.stderr
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not cache.exists()
    assert set(pd.read_csv(folder / "table.csv").estimator) == {"bptt", "ctpg"}
    assert (folder / "figures" / "lqr-optimal-frontier.png").is_file()


def test_without_a_run_there_is_nothing_to_draw(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert_refused(call("pareto", "--redraw", "--out", tmp_path / "none"), "no run in")
    assert not (tmp_path / "none").exists()
