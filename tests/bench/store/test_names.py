"""Any name that a preset may have is measured and read back as it is."""

from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.draw.figures import draw_run
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.file_names import file_stem
from gradpareto.bench.store.records import RunFolder
from gradpareto.systems import TASKS, Task

LQR = TASKS["lqr"]
ODD = (
    "v1.2",
    "a/b",
    "../up",
    "nan",
    "007",
    "1e3",
    'x,y "q"',
    "größer",
    "a  b.csv",
    "..",
    "%2E",
    "\u2713" * 100,
    "None",
    "-",
    "*?<>|:\\",
)


def with_presets(*names: str) -> Task:
    return Task(LQR.system, LQR.policy, dict.fromkeys(names, LQR.presets["perturbed"]))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("odd") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "odd", with_presets(*ODD))
        plan = Plan(
            [("odd", name) for name in ODD], ("bptt",), samples=1, settings=(0.5, 1.0), timed=False
        )
        sweep(plan, folder, cache, Budget(jobs=1))
    return folder


def test_odd_names_are_measured_and_read_back(measured: RunFolder, tmp_path: Path) -> None:
    records = measured.read_cells()
    assert sorted(records.theta) == sorted([*ODD, *ODD])
    gathered = pd.read_csv(measured.records_path, dtype=object, keep_default_na=False)
    assert set(gathered.theta) == set(ODD)
    inside = [path for path in measured.path.parent.rglob("*") if path.is_file()]
    assert {path.parent.name for path in inside} == {"run", "limits", "certificates"}
    assert all(len(measured.read_limit("odd", name)) for name in ODD)


def test_nothing_of_an_odd_name_is_measured_twice(
    measured: RunFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "odd", with_presets(*ODD))
    asked: list[str] = []
    plan = Plan([("odd", ODD[0])], ("bptt",), samples=1, settings=(0.5,), timed=False)
    sweep(plan, measured, cache, report=lambda name, *_: asked.append(name))
    assert asked == []


def test_a_problem_with_an_odd_name_is_drawn_into_the_folder_of_figures(
    measured: RunFolder, tmp_path: Path
) -> None:
    name = "../up"
    records = measured.read_cells()
    figures = draw_run(
        records[records.theta == name],
        {("odd", name): measured.read_limit("odd", name)},
        tmp_path / "figures",
    )
    assert all(path.parent == tmp_path / "figures" and path.is_file() for path in figures)
    assert {path.suffix for path in figures} == {".png", ".svg", ".pdf"}
    assert len(figures) >= 3 * 3


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        ("l" * 300, "has 300 characters, more than 100"),
        ("two\nlines", "has a line break"),
        ("bell\a", "has a line break or another character that cannot be printed"),
        (" a", "begins or ends with a space"),
        (3, "is of type int, not a text"),
    ],
)
def test_a_name_that_cannot_be_shown_is_refused_in_one_line(name: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"a preset cannot be called .*: its name {fault}") as told:
        with_presets(name).check_names()
    assert len(str(told.value)) < 160
    assert str(told.value).isprintable()


def test_different_names_make_different_files_that_a_file_system_takes() -> None:
    names = [("a", "b"), ("a.b",), ("a%2Eb",), ("a/b",), ("A" * 300,), ("A" * 301,), ("a", "b", "")]
    stems = [file_stem(*each) for each in names]
    assert len(set(stems)) == len(stems)
    assert all(len(stem) <= 180 and "/" not in stem for stem in stems)
    assert file_stem("lqr", "optimal", "bptt-rk4") == "lqr.optimal.bptt-rk4"
