"""Cells that are measured side by side get their times afterwards, and nothing else changes."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.engines import processes
from gradpareto.bench.run.engines.cores import cores
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.run.times import lacks_times, with_times
from gradpareto.bench.store.record import Record
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.sweep_notes import untimed
from tests.bench.conftest import SMALL, record

VARYING = ["wall_s", "wall_ratio", "wall_ratio_spread", "peak_bytes", "stored_bytes"]


def assert_same(found: pd.DataFrame, whole: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found.drop(columns=VARYING), whole.drop(columns=VARYING))


def pair(**more: object) -> list[Record]:
    return [replace(record("bptt", 0.5, sample, 40, 0.1), **more) for sample in range(2)]  # type: ignore[arg-type]


def test_the_times_are_joined_and_all_else_is_kept() -> None:
    held, timed = pair(peak_bytes=7.0), pair(wall_s=1.0, wall_ratio=2.0, wall_ratio_spread=0.5)
    assert lacks_times(held)
    found = with_times(held, timed)
    assert [(one.wall_s, one.wall_ratio, one.wall_ratio_spread) for one in found] == [
        (1, 2, 0.5)
    ] * 2
    assert [one.peak_bytes for one in found] == [7.0, 7.0]


def test_a_failure_while_a_cell_is_timed_is_its_record() -> None:
    failed = pair(status="unrepeatable", reason="it differs")
    assert with_times(pair(), failed) == failed


@pytest.mark.parametrize("status", ["timeout", "memory", "died"])
def test_a_limit_while_a_cell_is_timed_leaves_it_untimed(status: str) -> None:
    held = pair()
    assert with_times(held, pair(status=status, reason="a limit")) == held


def test_a_failed_cell_lacks_no_times() -> None:
    assert not lacks_times(pair(status="raised", reason="it raised"))


def test_a_sweep_that_is_stopped_before_the_times_takes_them_later(
    small_run: RunFolder, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processor has one core, so that two jobs share it."""
    monkeypatch.setattr(processes, "cores", lambda: 1)
    folder, asked = RunFolder(tmp_path / "run"), list[str]()

    def stop(name: str, *_: int) -> None:
        asked.append(name)
        if name.startswith("times of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(SMALL, folder, cache, Budget(jobs=2), stop)
    with folder.opened({}), folder.cells() as store:
        assert len(untimed(store.run)) == 3
    assert folder.read_cells().wall_s.notna().sum() == 2
    assert_same(folder.read_cells(), small_run.read_cells())
    again: list[str] = []
    found = sweep(SMALL, folder, cache, Budget(jobs=2), lambda name, *_: again.append(name))
    assert len(again) == 3
    assert all(name.startswith("times of") for name in again)
    assert found.wall_s.notna().all()
    assert found.wall_ratio_spread.notna().any()
    assert_same(found, small_run.read_cells())


def test_jobs_with_cores_of_their_own_time_cells_where_they_measure_them(
    small_run: RunFolder, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    said: list[str] = []
    folder = RunFolder(tmp_path / "run")
    found = sweep(SMALL, folder, cache, Budget(jobs=2), lambda name, *_: said.append(name))
    assert not any(name.startswith("times of") for name in said)
    assert found.wall_s.notna().all()
    assert_same(found, small_run.read_cells())
    for jobs, exclusive in ((1, 1), (2, 2), (3, 1)):
        with Processes(jobs) as opened:
            assert (opened.side_by_side, opened.exclusive) == (jobs, exclusive)
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_cells_that_were_never_to_be_timed_are_left_so(tmp_path: Path, cache: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    sweep(replace(SMALL, timed=False), folder, cache, Budget(jobs=2))
    found = sweep(SMALL, folder, cache, Budget(jobs=2), lambda name, *_: pytest.fail(name))
    assert found.wall_s.isna().all()


def test_any_executor_will_do(small_run: RunFolder, tmp_path: Path, cache: Path) -> None:
    """One of the standard library: it knows nothing of limits, and has one process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        found = sweep(SMALL, RunFolder(tmp_path / "run"), cache, executor=executor)
    assert found.wall_s.notna().all()
    assert_same(found, small_run.read_cells())
