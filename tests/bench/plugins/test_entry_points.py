"""Estimators and systems that installed packages offer."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.records_csv import read_records
from tests.bench.conftest import assert_refused
from tests.bench.plugins.conftest import FORMS

ENTRIES = """
[gradpareto.estimators]
mine = an_offer:solver
ctpg = an_offer:solver
gone = an_offer:nothing
wrong = an_offer:number
bad = an_offer_that_raises:solver
leaves = an_offer_that_leaves:solver
odd = an_offer

[gradpareto.systems]
tank = an_offer:TASK
lqr = an_offer:TASK
nosystem = an_offer:number
"""
OFFER = '''
from dataclasses import dataclass
import numpy as np
from scipy.integrate import solve_ivp
from gradpareto.systems import Policy, System, Task

def solver(rhs, span, y0, tolerance):
    options = dict(rtol=tolerance, atol=1e-3 * tolerance, dense_output=True)
    return solve_ivp(rhs, span, y0, "DOP853", **options).sol

number = 3

@dataclass(frozen=True)
class Tank(System):
    """A level that leaks: x' = u - x, w = x^2 + u^2."""
    horizon: float = 1.0
    state_dim = control_dim = observation_dim = 1
    def flow(self, t, x, u):
        return u - x, (x * x + u * u)[:, 0]
    def pullback(self, t, x, u, a, c):
        return -a + 2 * c[:, None] * x, a + 2 * c[:, None] * u
    def sample_x0(self, rng, samples):
        return rng.standard_normal((samples, 1))

TASK = Task(Tank(), Policy((1, 1), ("identity",)), {"only": lambda policy: np.array([-0.5, 0.1])})
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with entry points, good and broken."""
    info = tmp_path / "an_offer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: an-offer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "an_offer.py").write_text(OFFER)
    (tmp_path / "an_offer_that_raises.py").write_text("raise RuntimeError('two\\nlines')\n")
    (tmp_path / "an_offer_that_leaves.py").write_text("raise SystemExit\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def test_entry_points_are_listed_and_a_broken_one_breaks_nothing(
    installed: Path, run: Callable
) -> None:
    result = run("list", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert {f"mine-{form}" for form in FORMS} <= set(found["estimators"])
    assert found["systems"]["tank"]["presets"] == ["only"]
    assert found["estimators"]["ctpg"]["order"] == 5  # is who it was
    broken = found["broken"]
    assert set(broken) == {"ctpg", "gone", "wrong", "bad", "leaves", "odd", "lqr", "nosystem"}
    assert "registered estimator" in broken["ctpg"]
    assert "has no 'nothing'" in broken["gone"]
    assert "fails to import: RuntimeError: two" in broken["bad"]
    assert "SystemExit" in broken["leaves"]
    assert "not MODULE:NAME" in broken["odd"]
    assert "brings no system" in broken["nosystem"]
    assert all("an-offer" in reason for reason in broken.values())
    shown = run("list").stdout
    assert "bad is broken: an_offer_that_raises fails to import" in shown
    assert_refused(run("check", "bad"), "'bad' is broken", "RuntimeError")


def test_entry_points_are_used_by_name_wherever_a_name_is(
    installed: Path, run: Callable, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    # The plan of the whole field skips every other setting, and takes no time.
    more = ("--plan", "field", "--samples", 1, "--jobs", 1)
    options = ("--system", "tank", *more, "--out", out, "--json")
    result = run("compare", "mine", "bptt", *options)
    verdicts = json.loads(result.stdout)
    assert {row["new"] for row in verdicts} == {f"mine-{form}" for form in FORMS}
    ahead = [row["answer"] == "dominates" for row in verdicts if row["weight"] == 1]
    assert result.returncode == (0 if any(ahead) else 1), result.stderr
    held = json.loads((out / "provenance.json").read_text())
    assert held["system_plugins"]["tank"]["source"] == "an_offer:TASK"
    edited = OFFER.replace("u - x", "u - 2 * x").replace("return -a +", "return -2 * a +")
    (installed / "an_offer.py").write_text(edited)
    estimators = ("--estimator", "bptt", "--estimator", "mine-ctpg")
    result = run("sweep", *estimators, "--setting", 0.5, *options)
    assert result.returncode == 0, result.stderr
    # All that was measured on the system as it was is apart, with what judged it.
    aside = [path for path in (out / "aside").rglob("*.csv") if path.parent.parent.name != "aside"]
    assert {path.parent.name for path in aside} == {"limits", "certificates"}
    cells = [read_records(path) for path in (out / "aside").glob("*/cells-*.csv")]
    assert {system for table in cells for system in table.system} == {"tank"}
    assert set(RunFolder(out).read_cells().estimator) == {"bptt", "mine-ctpg"}


def test_a_plug_in_system_is_learned(installed: Path, run: Callable, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("learn", "tank", "--iterations", 2, "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [row["estimator"] for row in rows] == ["ctpg", "bptt"]
    assert rows[0]["iterations"] == 2
    # A step down the true gradient: the loss on other initial states falls.
    assert rows[0]["heldout_after"] < rows[0]["heldout_before"]
    held = json.loads((out / "provenance.json").read_text())
    assert held["system_plugins"]["tank"]["source"] == "an_offer:TASK"
