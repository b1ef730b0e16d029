"""Systems that stay in a file of the user's, at every verb that takes a system."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.plugins import SYSTEM_PLUGINS, Unusable, load_again, resolve_system
from gradpareto.systems import TASKS
from tests.bench.conftest import assert_refused
from tests.bench.plugins.test_entry_points import OFFER

MORE = """
LONGER = Task(Tank(2.0), TASK.policy, TASK.presets)
EMPTY = Task(Tank(), TASK.policy, {})
KEEPS = Tank()
HELD = Task(type("Nowhere", (Tank,), {})(), TASK.policy, TASK.presets)
"""


@pytest.fixture
def tank(tmp_path: Path) -> Path:
    path = tmp_path / "tank.py"
    path.write_text(OFFER + MORE, encoding="utf-8")
    return path


def test_a_sweep_measures_the_systems_of_a_file(tank: Path, call: Callable, tmp_path: Path) -> None:
    given = [f"{tank}:TASK", f"{tank}:LONGER", f"{tank}:TASK"]
    options = [word for one in given for word in ("--system", one)]
    cell = ("--estimator", "bptt", "--setting", "0.5", "--samples", "2", "--jobs", "1")
    # The preset comes before the system that has it.
    result = call("sweep", "--preset", "only", *options, *cell, "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    records = pd.read_csv(tmp_path / "run" / "records.csv")
    assert list(records.system) == ["tank", "tank", "tank-LONGER", "tank-LONGER"]
    assert set(records.status) == {"ok"}
    held = json.loads((tmp_path / "run" / "provenance.json").read_text(encoding="utf-8"))
    sources = {name: entry["source"] for name, entry in held["system_plugins"].items()}
    assert sources == {"tank": "tank.py:TASK", "tank-LONGER": "tank.py:LONGER"}


@pytest.mark.parametrize(
    ("arguments", "sign"),
    [
        (["list", "--system", "TANK"], '"tank": {'),
        (["reference", "TANK", "--theta", "only", "--samples", "2"], '"system": "tank"'),
        (["overhead", "--theta", "only", "--system", "TANK", "--batch", "2"], '"batch": 2'),
        (["learn", "TANK", "--iterations", "1", "--out", "OUT"], '"iterations": 1'),
        (["check", "TANK"], '"system": "tank"'),
    ],
)
def test_each_other_verb_takes_the_system_of_a_file(
    tank: Path, call: Callable, tmp_path: Path, arguments: list[str], sign: str
) -> None:
    """What the system prints is not in the result."""
    tank.write_text(tank.read_text().replace("return u - x", "print('at work'); return u - x"))
    stands_for = {"TANK": f"{tank}:TASK", "OUT": str(tmp_path / "run")}
    result = call(*(stands_for.get(word, word) for word in arguments), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)
    assert sign in result.stdout


def test_a_system_of_a_module_is_called_by_the_last_part_of_its_name(
    tank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tank.parent / "a_package_of_tanks"
    package.mkdir()
    tank.rename(package / "a_tank_inside.py")
    monkeypatch.syspath_prepend(tank.parent)  # type: ignore[no-untyped-call, unused-ignore]
    assert resolve_system("a_package_of_tanks.a_tank_inside:TASK") == "a_tank_inside"
    assert TASKS["a_tank_inside"].system.horizon == 1.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (":solver", "brings no system: function is neither a gradpareto.Task nor a System"),
        (":TASKS", "has no 'TASKS': did you mean 'TASK'?"),
        (":TASK-ctpg", "no form 'ctpg'"),
        (":EMPTY", "has no presets"),
        (":HELD", "cannot be sent to another process"),
        ("", "name what is in it"),
    ],
)
def test_an_object_that_is_no_task_is_refused(
    tank: Path, refused: Callable, name: str, words: str
) -> None:
    assert words in refused("reference", f"{tank}{name}")
    assert not SYSTEM_PLUGINS


def test_a_name_stands_for_one_system(tank: Path, refused: Callable, tmp_path: Path) -> None:
    other = tmp_path / "other" / "tank.py"
    other.parent.mkdir()
    for path in (other, tmp_path / "lqr.py", tmp_path / "größe.py"):
        path.write_text(OFFER, encoding="utf-8")
    out = ("--out", tmp_path / "run")
    both = ("--system", f"{tank}:TASK", "--system", f"{other}:TASK")
    assert "two systems are called tank" in refused("sweep", *both, *out)
    assert "'lqr' is the name of a registered" in refused("reference", tmp_path / "lqr.py:TASK")
    assert "not a usable name" in refused("reference", tmp_path / "größe.py:TASK")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["reference", "TANK"],
        ["sweep", "--system", "TANK", "--out", "OUT"],
        ["overhead", "--system", "TANK"],
        ["learn", "TANK", "--iterations", "1", "--out", "OUT"],
    ],
)
def test_a_method_that_raises_is_named(
    tank: Path, refused: Callable, tmp_path: Path, arguments: list[str]
) -> None:
    tank.write_text(OFFER.replace("standard_normal", "standard_norma"), encoding="utf-8")
    """What the system prints is not in the result."""
    tank.write_text(tank.read_text().replace("return u - x", "print('at work'); return u - x"))
    stands_for = {"TANK": f"{tank}:TASK", "OUT": str(tmp_path / "run")}
    said = refused(*(stands_for.get(word, word) for word in arguments))
    assert "sample_x0 of Tank (tank.py, line 23) raised AttributeError: " in said


def test_code_that_was_changed_is_not_measured_as_what_was_registered(tank: Path) -> None:
    plugin = SYSTEM_PLUGINS[resolve_system(f"{tank}:TASK")]
    load_again(plugin)
    with pytest.raises(Unusable, match="was changed while it was being measured"):
        load_again(replace(plugin, code="of something else"))


BROUGHT = """
import numpy as np
from gradpareto import Policy, System

class Good:
    def flow(self, t, x, u):
        return u - x, (x**2).sum(axis=1)
    def sample_x0(self, rng, samples):
        return rng.uniform(-1, 1, (samples, 1))

class OfSystem(System):
    flow, sample_x0 = Good.flow, Good.sample_x0

class NoDraws:
    flow = Good.flow

class NoDrawsOfSystem(System):
    flow = Good.flow

class Needs(Good):
    def __init__(self, gain):
        self.gain = gain

needed = Needs(2.0)

class Horizon(Good):
    horizon = -1.0

class Unknown(Good):
    horizon = "long"

class States(Good):
    state_dim = 2

class Linear(Good):
    policy = Policy((2, 1), ("identity",))

class Untyped(Good):
    policy = "linear"

class Flat(Good):
    def sample_x0(self, rng, samples):
        return rng.uniform(-1, 1, samples)

class Seen(Good):
    def observe(self, t, x):
        return np.concatenate([x, np.sin(x), t[:, None]], axis=1)
    def terminal(self, x):
        return np.exp(x[:, 0])
"""


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    path = tmp_path / "brought.py"
    path.write_text(BROUGHT, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["Good", "OfSystem", "needed", "Seen"])
def test_an_object_with_a_flow_and_draws_is_a_system(
    brought: Path, call: Callable, name: str
) -> None:
    result = call("check", f"{brought}:{name}", "--json")
    assert result.returncode == 0, result.stderr
    (checked,) = json.loads(result.stdout)
    seen = {finding["check"]: finding["seen"] for finding in checked["findings"]}
    assert seen["derivative of flow"].startswith("by SymPy")
    assert (
        ("derivative of observe" in seen) is ("derivative of terminal" in seen) is (name == "Seen")
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NoDraws", "NoDraws has no sample_x0"),
        ("NoDrawsOfSystem", "has no sample_x0"),
        ("Needs", "cannot be made without arguments"),
        ("Horizon", "a horizon of -1.0"),
        ("Unknown", "TypeError"),
        ("States", "array of shape (8, 1), not (8, 2)"),
        ("Linear", "its policy goes from 2 to 1 numbers"),
        ("Untyped", "its policy is of type str"),
        ("Flat", "returned an array of shape (1,)"),
    ],
)
def test_what_a_system_lacks_is_one_line(
    brought: Path, refused: Callable, name: str, words: str
) -> None:
    assert words in refused("check", f"{brought}:{name}")


def test_a_policy_that_was_learned_is_a_preset(
    brought: Path, run: Callable, tmp_path: Path
) -> None:
    words = ("learn", f"{brought}:Good", "--estimator", "bptt", "--iterations", "2")
    out = ("--store-trained", "--out", tmp_path / "run")
    result = run(*words, *out)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "trained" / "brought-Good.npz").is_file()
    assert_refused(run(*words, *out), "is there already")
    shown = run("reference", f"{brought}:Good", "--theta", "trained", "--samples", "2", "--json")
    assert shown.returncode == 0, shown.stderr
    assert [one["theta"] for one in json.loads(shown.stdout)] == ["trained"]
