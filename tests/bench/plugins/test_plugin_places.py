"""A plug-in is found where its path says, beside any modules, and in any process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.plugins import PLUGINS, resolve, source
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.conftest import ROOT
from tests.bench.plugins.conftest import SOLVER, anew


def test_a_path_may_be_relative(solver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(solver.parent)
    assert resolve("my_solver.py:nameless") == ("nameless",)
    monkeypatch.chdir("/")  # a worker may be anywhere
    problem, x0 = TASKS["lqr"].problem("optimal"), np.ones((1, 2))
    anew()
    assert ESTIMATORS["nameless"](problem, x0, 1.0).steps == 10


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_not_said_to_be_missing(
    tmp_path: Path, refused: Callable[..., str], make: Callable[[Path], object]
) -> None:
    make(tmp_path / "mine.py")
    assert "no file that can be read" in refused("check", f"{tmp_path / 'mine.py'}:own")


def test_a_name_in_an_importable_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_package").mkdir()
    (tmp_path / "a_package" / "__init__.py").write_text("from a_package.inner import thing\n")
    (tmp_path / "a_package" / "inner.py").write_text(SOLVER + "\nthing = instance\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve("a_package.inner:nameless") == ("nameless",)
    before = resolve("a_package:thing") and PLUGINS["thing"].code
    (tmp_path / "a_package" / "inner.py").write_text(SOLVER + "\nthing = MySolver()\n")
    assert source.digest(PLUGINS["thing"].source) != before


SIBLINGS = {"systems": "HALF = 0.5\n", "estimators": 'NAME = "bptt-rk4"\n', "bench": "TWO = 2\n"}
WITH_SIBLINGS = """
import bench, estimators, systems
from gradpareto.estimators import ESTIMATORS

def own(problem, x0, setting):
    return ESTIMATORS[estimators.NAME](problem, x0, setting * systems.HALF * bench.TWO)

own.knob, own.tight = "step", 0.01
"""


def test_modules_beside_a_plug_in_may_have_the_names_of_this_project_s_folders(
    tmp_path: Path, run: Callable
) -> None:
    """The process and its workers start in the checkout, which has folders of these names."""
    for name, text in SIBLINGS.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "mine.py").write_text(WITH_SIBLINGS)
    out = tmp_path / "run"
    options = ("--system", "lqr", "--theta", "optimal", "--samples", 1, "--out", out)
    estimators = ("--estimator", f"{tmp_path / 'mine.py'}:own", "--estimator", "bptt-rk4")
    result = run("sweep", *estimators, "--setting", 0.5, "--jobs", 1, *options)
    assert result.returncode == 0, result.stderr
    records = RunFolder(out).read_cells().set_index("estimator")
    assert set(records.status) == {"ok"}
    assert records.loss["own"] == records.loss["bptt-rk4"]


def test_it_starts_in_a_folder_whose_modules_raise(tmp_path: Path) -> None:
    for name in SIBLINGS:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not to be imported')\n")
    command = [sys.executable, "-m", "gradpareto", "list", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert set(json.loads(result.stdout)["estimators"]) >= {"bptt", "ctpg"}


def test_what_a_plug_in_prints_is_not_in_the_result(solver: Path, run: Callable) -> None:
    """Also that a class which cannot be pickled gets to the worker."""
    out = solver.parent / "run"
    options = ("--system", "lqr", "--theta", "optimal", "--samples", 1, "--out", out, "--json")
    result = run("sweep", "--estimator", f"{solver}:Whole", "--setting", 1e-3, *options)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["rows"] == 1
    assert set(RunFolder(out).read_cells().status) == {"ok"}
    assert "this is not JSON" in result.stderr
    options = ("--system", "lqr", "--batch", 2, "--json")
    result = run("overhead", "--estimator", f"{solver}:Whole", *options)
    assert json.loads(result.stdout)[0]["factor"] > 1
