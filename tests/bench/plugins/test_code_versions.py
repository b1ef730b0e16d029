"""What was measured with older code of an estimator or a system is set aside and never mixed in."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradpareto.bench.learning.compare import Comparison, learn
from gradpareto.bench.learning.setups import setup_of
from gradpareto.bench.plugins import cell_code
from gradpareto.bench.plugins.measured_code import estimator_code, problem_code
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.cells import CellStore
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS, Estimator
from tests.bench.conftest import SMALL

NEW = '''
from dataclasses import dataclass
from gradpareto.estimators.bptt import Bptt
import inner_steps

@dataclass(frozen=True)
class Mine(Bptt):
    """Euler's method at steps of another length."""
    def __call__(self, problem, x0, setting):
        return super().__call__(problem, x0, inner_steps.FACTOR * setting)
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Estimator]]:
    """Write an estimator's modules, one of which is given, and import them anew."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "new_estimator.py").write_text(NEW)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = ("new_estimator", "inner_steps")

    def load(inner: str) -> Any:
        (folder / "inner_steps.py").write_text(inner)
        for name in names:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("new_estimator").Mine(ESTIMATORS["bptt"].tableau, 0.1)  # type: ignore[attr-defined]

    yield load
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def copy(small_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the small run, which a test may write to."""
    shutil.copytree(small_run.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have an estimator, or all problems, come from code with another digest."""

    def change(estimator: str = "", problems: bool = False) -> None:
        monkeypatch.setattr(
            cell_code,
            "estimator_code",
            lambda one: "0" * 64 if one is ESTIMATORS.get(estimator) else estimator_code(one),
        )
        if problems:
            monkeypatch.setattr(cell_code, "problem_code", lambda *_: "0" * 64)

    return change


def measured(folder: RunFolder, cache: Path, plan: Plan = SMALL, **more: Any) -> list[str]:
    """The names of the cells that a sweep measured."""
    names: list[str] = []
    sweep(plan, folder, cache, Budget(jobs=1), lambda name, *_: names.append(name), **more)
    return sorted(name for name in names if not name.startswith("reference"))


def test_an_estimator_is_measured_anew_when_a_module_that_it_imports_has_changed(
    mine: Callable[[str], Estimator], tmp_path: Path, cache: Path
) -> None:
    folder, plan = RunFolder(tmp_path / "run"), replace(SMALL, estimators=("bptt", "mine"))
    plan = replace(plan, samples=1, settings=(0.5,), timed=False)

    def of(inner: str) -> list[str]:
        estimators = {"bptt": ESTIMATORS["bptt"], "mine": mine(inner)}
        return measured(folder, cache, plan, estimators=estimators)

    assert of("FACTOR = 1\n") == ["lqr.optimal.bptt.0.5", "lqr.optimal.mine.0.5"]
    assert of("FACTOR = 1  # a comment\n") == []
    assert of("FACTOR = 0.5\n") == ["lqr.optimal.mine.0.5"]
    records = pd.read_csv(folder.records_path).set_index("estimator")
    assert records.evals["mine"] == 2 * records.evals["bptt"]
    (aside,) = (folder.path / "aside").rglob("*.csv")
    assert pd.read_csv(aside).evals[0] == records.evals["bptt"]


def test_cells_of_another_version_of_a_problem_go_with_their_limit(
    copy: RunFolder, cache: Path, changed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.read_text() for path in (copy.records_path, *copy.path.glob("[cl]*/*.csv"))}
    changed(problems=True)
    assert len(measured(copy, cache)) == 4
    aside = {path.read_text() for path in (copy.path / "aside").rglob("*.csv")}
    assert aside == before
    assert "6 results of older code were moved" in capsys.readouterr().err
    assert measured(copy, cache) == []
    assert capsys.readouterr().err == ""


def test_older_cells_are_set_aside_whichever_estimator_is_asked_for(
    copy: RunFolder, cache: Path, changed: Callable[..., None]
) -> None:
    changed("ctpg")
    assert measured(copy, cache, replace(SMALL, estimators=("bptt",))) == []
    assert set(pd.read_csv(copy.records_path).estimator) == {"bptt"}
    (aside,) = (copy.path / "aside").rglob("*.csv")
    assert len(pd.read_csv(aside)) == 4
    assert len(measured(copy, cache)) == 2


def test_setting_aside_that_was_interrupted_is_done_again(
    copy: RunFolder, cache: Path, changed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed("ctpg")
    with monkeypatch.context() as patch:
        patch.setattr(CellStore, "remove", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            measured(copy, cache)
    assert "ctpg" in set(pd.read_csv(copy.records_path).estimator)
    assert measured(copy, cache, replace(SMALL, estimators=("bptt",))) == []
    assert set(pd.read_csv(copy.records_path).estimator) == {"bptt"}
    assert set(copy.provenance()["code"]["estimators"]) == {"bptt"}
    assert len(measured(copy, cache)) == 2
    (aside,) = (copy.path / "aside").rglob("*.csv")
    assert set(pd.read_csv(aside).estimator) == {"ctpg"}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_run_from_before_digests_were_noted_is_kept_and_gone_on_with(
    copy: RunFolder, cache: Path, changed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is published: its cells are in records.csv alone."""
    copy.store_path.unlink()
    copy.checksums_path.unlink()
    provenance = copy.provenance()
    noted = provenance.pop("code")
    copy.write_provenance(provenance | {"schema": 3})
    held = copy.records_path.read_bytes()
    assert measured(copy, cache) == []
    assert copy.records_path.read_bytes() == held
    assert "code" not in copy.provenance()
    words = "does not say with which code it measured bptt, ctpg, lqr optimal: what it has is kept"
    assert capsys.readouterr().err == f"{copy.path} {words}\n"
    more = replace(SMALL, estimators=("bptt",), settings=(1.0,))
    assert measured(copy, cache, more) == ["lqr.optimal.bptt.1.0"]
    assert "does not say with which code it measured bptt, lqr opt" in capsys.readouterr().err
    assert copy.provenance()["code"]["estimators"] == {"bptt": noted["estimators"]["bptt"]}
    assert len(pd.read_csv(copy.records_path)) == 10
    changed("bptt")  # what was kept is not taken for newer than it may be
    assert len(measured(copy, cache, more)) == 1
    (aside,) = (copy.path / "aside").rglob("*.csv")
    assert len(pd.read_csv(aside)) == 6


def test_a_system_and_its_reference_are_both_in_the_code_of_a_problem() -> None:
    """A simulator's reference is that of another system, so its key alone would not tell."""
    problem, x0 = SMALL.sampled("lqr", "optimal")
    shorter = replace(problem, horizon=1.0)
    other = replace(problem, system=replace(problem.system, Q=2 * problem.system.Q))
    codes = {problem_code(one, x0) for one in (problem, shorter, other)}
    assert len(codes | {problem_code(problem, 2 * x0)}) == 4


def test_every_estimator_of_the_suite_has_a_code_of_its_own() -> None:
    codes = [estimator_code(one) for one in ESTIMATORS.values()]
    assert None not in codes
    assert len(set(codes)) == len(codes)


def test_a_history_of_learning_is_made_anew_when_its_estimator_has_changed(
    tmp_path: Path, changed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    setup = replace(setup_of("lqr"), iterations=2)
    comparison = Comparison("lqr", setup, {"bptt": 0.5, "bptt-rk4": 0.5}, iterations=2)
    folder = tmp_path / "learn"

    def aside() -> list[str]:
        learn(comparison, folder, lambda *_: None)
        return sorted(path.name for path in (folder / "aside").rglob("*.npz"))

    assert [aside(), aside()] == [[], []]
    assert capsys.readouterr().err == ""
    changed("bptt")
    assert [aside(), aside()] == [["bptt.npz"], ["bptt.npz"]]
    held = RunFolder(folder).provenance()
    assert set(held["code"]["estimators"]) == {"bptt", "bptt-rk4"}
    note = json.loads(next((folder / "aside").rglob("code.json")).read_text())
    assert note["estimators"] == "bptt"
