"""Records of a plug-in stay apart from those of its older code."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.plugins import PLUGINS, Unusable, resolve, source
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.plugins.conftest import SOLVER, anew

PROBLEM = (("lqr", "optimal"),)


def measured(folder: RunFolder, names: tuple[str, ...], cache: Path, *settings: float) -> list[str]:
    """The cells that a sweep of estimators by name measured, on one sample."""
    asked: list[str] = []
    plan = Plan(PROBLEM, names, samples=1, settings=settings or (0.5,), timed=False)
    sweep(plan, folder, cache, Budget(jobs=1), lambda name, *_: asked.append(name))
    return [name for name in asked if not name.startswith("reference")]


def own(folder: RunFolder) -> str:
    """The header of the records, and those of the plug-in."""
    header, *rows = folder.records_path.read_text().splitlines(keepends=True)
    return "".join([header, *(row for row in rows if ",nameless," in row)])


def test_a_plug_in_whose_code_has_changed_is_measured_anew_and_nothing_is_lost(
    solver: Path, tmp_path: Path, cache: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    names = resolve(f"{solver}:nameless")
    assert measured(folder, ("bptt", *names), cache) == [
        "lqr.optimal.bptt.0.5",
        "lqr.optimal.nameless.0.5",
    ]
    assert measured(folder, ("bptt", *names), cache) == []
    contents = [own(folder)]
    for version in (2, 3, 2):
        solver.write_text(SOLVER.replace('ESTIMATORS["bptt"](', f"(lambda *_: 1/0)({version}, "))
        anew()
        PLUGINS.clear()
        del ESTIMATORS["nameless"]
        resolve(f"{solver}:nameless")
        assert measured(folder, ("bptt", *names), cache) == ["lqr.optimal.nameless.0.5"]
        now = own(folder)
        assert "ZeroDivisionError" in now
        contents.append(now)
        aside = sorted((folder.path / "aside").rglob("*.csv"))
        assert sorted(path.read_text() for path in aside) == sorted(contents[:-1])
    records = pd.read_csv(folder.records_path)
    assert set(records.status[records.estimator == "nameless"]) == {"raised"}
    text = folder.provenance_path.read_text()
    held = json.loads(text)["plugins"]["nameless"]
    assert held["source"] == "my_solver.py:nameless"
    assert held["digest"] == PLUGINS["nameless"].code
    assert str(tmp_path) not in text


def test_code_beside_a_plug_in_s_file_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("steps = 3\n")
    (tmp_path / "unrelated.py").write_text("steps = 3\n")
    path = tmp_path / "mine.py"
    path.write_text("import beside_it\ndef own(problem, x0, setting): ...\n")
    resolve(f"{path}:own")
    at = PLUGINS["own"].source
    before = source.digest(at)
    (tmp_path / "unrelated.py").write_text("steps = 4\n")
    assert source.digest(at) == before
    (tmp_path / "beside_it.py").write_text("steps = 4\n")
    assert source.digest(at) != before


def test_a_published_run_s_records_of_older_code_are_set_aside_too(
    solver: Path, tmp_path: Path, cache: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    names = resolve(f"{solver}:nameless")
    measured(folder, ("bptt", *names), cache)
    folder.store_path.unlink()
    solver.write_text(SOLVER + "ANOTHER = 1\n")
    anew()
    PLUGINS.clear()
    del ESTIMATORS["nameless"]
    resolve(f"{solver}:nameless")
    assert measured(folder, ("bptt", *names), cache) == ["lqr.optimal.nameless.0.5"]
    assert len(list((folder.path / "aside").rglob("*.csv"))) == 1


def test_a_name_that_stands_for_something_else_in_the_folder_is_refused(
    solver: Path, tmp_path: Path, cache: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    names = resolve(f"{solver}:nameless")
    measured(folder, names, cache)
    held = PLUGINS.pop("nameless")
    ESTIMATORS["nameless"] = ESTIMATORS["bptt"]  # it has been registered since
    with pytest.raises(UnusableFolder, match=r"plug-in my_solver.py:nameless under the name"):
        measured(folder, names, cache)
    own = RunFolder(tmp_path / "own")
    measured(own, names, cache)
    PLUGINS["nameless"] = held  # it was registered once
    with pytest.raises(UnusableFolder, match="not its own"):
        measured(own, names, cache)


def test_a_file_that_is_changed_while_it_is_measured_is_not_recorded_as_itself(
    solver: Path,
) -> None:
    resolve(f"{solver}:nameless")
    solver.write_text(SOLVER + "NOW = 1\n")
    anew()
    problem, x0 = TASKS["lqr"].problem("optimal"), np.ones((1, 2))
    with pytest.raises(Unusable, match="changed while it was being measured"):
        ESTIMATORS["nameless"](problem, x0, 1.0)


def test_learning_starts_anew_where_a_plug_in_has_changed(
    solver: Path, tmp_path: Path, call: Callable
) -> None:
    out = tmp_path / "learn"
    command = ("learn", "lqr", "--estimator", f"{solver}:nameless=0.5", "--iterations", 2)
    for _ in range(2):
        result = call(*command, "--out", out)
        assert result.returncode == 0, result.stderr
    assert not (out / "aside").exists()
    solver.write_text(SOLVER + "ANOTHER = 1\n")
    anew()
    PLUGINS.clear()
    del ESTIMATORS["nameless"]
    assert call(*command, "--out", out).returncode == 0
    assert [path.name for path in (out / "aside").rglob("*.npz")] == ["nameless.npz"]
