"""A sweep knows its remaining cells from the index, and begins with the longest."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.lines import Line, Waiting, line_of
from gradpareto.bench.run.plan import Course, Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.run.trace import point_of
from gradpareto.bench.store.cells import CellStore
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.sweep_notes import NOTES, course
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS

TRACED = Plan((("lqr", "optimal"),), ("bptt-rk4", "ctpg"), samples=2, timed=False, calls=512)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunFolder:
    """A finished run of traced frontiers; tests copy it."""
    folder = RunFolder(tmp_path_factory.mktemp("run") / "traced")
    sweep(TRACED, folder, cache, Budget(jobs=1))
    return folder


def copied(run: RunFolder, place: Path) -> RunFolder:
    return RunFolder(shutil.copytree(run.path, place))


def line(estimator: str, samples: int, *settings: float, system: str = "lqr") -> Line:
    one = Course(system, "optimal", estimator, samples, settings)
    problem = TASKS[system].problem("optimal")
    made = Line(one, ESTIMATORS[estimator], problem, 512)
    made.waiting = sorted(settings, key=made.length)
    return made


def test_the_longest_cells_are_taken_first() -> None:
    """Truth: by hand, steps times stages times samples; a tolerance may take all calls."""
    waiting = Waiting()
    waiting.add(
        [
            line("bptt", 8, 1.0, 0.01),  # 20 and 2,000 calls of 8 samples
            line("bptt-rk4", 2, 0.1),  # 800 calls of 2 samples
            line("ctpg", 8, 0.1, 1e-6),  # 512 calls of 8 samples, and which is tighter
        ]
    )
    found = [waiting.take()[0] for _ in range(5)]
    assert [(cell.estimator, cell.setting) for cell in found] == [
        *(("bptt", 0.01), ("ctpg", 1e-6), ("ctpg", 0.1), ("bptt-rk4", 0.1), ("bptt", 1.0)),
    ]
    assert not waiting


def no_rows(store: CellStore, *_: object) -> pd.DataFrame:
    raise AssertionError("rows were read")


def test_a_traced_frontier_goes_on_without_reading_rows(
    traced: RunFolder, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(traced, tmp_path / "run")
    with folder.opened(TRACED.shared()), folder.cells() as store:
        monkeypatch.setattr(CellStore, "table", no_rows)
        problem, _ = TRACED.sampled("lqr", "optimal")
        for one in TRACED.courses():
            found = line_of(one, TRACED, ESTIMATORS[one.estimator], problem, store)
            assert not found.waiting
            assert len(found.points) > 4


def test_what_is_noted_is_what_the_records_say(traced: RunFolder) -> None:
    table = traced.read_cells()
    with traced.opened(TRACED.shared()), traced.cells() as store:
        for name in TRACED.estimators:
            own = table[table.estimator == name]
            for held in course(store.run, ("lqr", "optimal", name)):
                rows = list(own[own.setting == held.setting].itertuples())
                assert held.seen == point_of(rows).seen
                assert held.samples == len(rows)


def test_a_store_of_the_version_before_is_read_and_gone_on_with(
    traced: RunFolder, tmp_path: Path, cache: Path
) -> None:
    folder = copied(traced, tmp_path / "run")
    with folder.opened(TRACED.shared()), folder.cells() as store:
        for name in NOTES:
            store.run(f"DROP TABLE {name}")
        store.run("PRAGMA user_version = 1")
    pd.testing.assert_frame_equal(folder.read_cells(), traced.read_cells())
    measured: list[str] = []
    found = sweep(TRACED, folder, cache, Budget(jobs=1), lambda name, *_: measured.append(name))
    assert measured == []
    pd.testing.assert_frame_equal(found, traced.read_cells())
    test_what_is_noted_is_what_the_records_say(folder)


@pytest.mark.parametrize("forged", ["'x'", "-1.0", "NULL"])
def test_a_point_that_cannot_be_is_made_again(
    forged: str, traced: RunFolder, tmp_path: Path, cache: Path
) -> None:
    folder = copied(traced, tmp_path / "run")
    with folder.opened(TRACED.shared()), folder.cells() as store:
        store.run(f"UPDATE seen SET evals = {forged}")
    sweep(TRACED, folder, cache, Budget(jobs=1), lambda name, *_: pytest.fail(name))
    test_what_is_noted_is_what_the_records_say(folder)
