"""Systems over a simulator: where it is missing, and where it warns."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.run.attempt import attempt
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import OPTIONAL, TASKS

ROOT = Path(__file__).parents[3]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def without() -> Run:
    """The command line in a process in which none of the simulators can be imported."""

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        script = (
            f"import sys; sys.modules.update(dict.fromkeys({list(OPTIONAL.values())}))\n"
            f"from gradpareto.bench.verbs.cli import main; sys.argv[1:] = {list(arguments)}; main()"
        )
        command = [sys.executable, "-c", script]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    return call


def test_what_is_not_installed_is_listed_with_the_command_that_helps(without: Run) -> None:
    found = json.loads(without("list", "--json").stdout)
    assert set(found["systems"]) == set(TASKS) - set(OPTIONAL)
    commands = {name: f"pip install 'gradpareto[{extra}]'" for name, extra in OPTIONAL.items()}
    assert found["needs"] == commands
    shown = without("list").stdout.splitlines()
    assert {f"{name} needs: {command}" for name, command in commands.items()} <= set(shown)


@pytest.mark.parametrize("system", OPTIONAL)
def test_naming_it_is_one_line_with_the_command(without: Run, system: str) -> None:
    result = without("compare", "ctpg", "bptt", "--system", system)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"gradpareto: system '{system}' needs: pip install 'gradpareto[{OPTIONAL[system]}]'"
    ]


def test_a_typing_mistake_is_still_answered(without: Run) -> None:
    assert "did you mean 'cartpole'" in without("reference", "cartpol").stderr


@pytest.mark.skipif("mujoco_cartpole" not in TASKS, reason="needs the extra 'mujoco'")
def test_a_warning_fails_the_cell() -> None:
    """Euler's first step from beside the farthest position that MuJoCo takes, 1e10, is beyond."""
    problem = TASKS["mujoco_cartpole"].problem("initial")
    problem, x0 = problem.sample(np.random.default_rng(0), 2)
    assert attempt(ESTIMATORS["bptt"], problem, x0, 1.0).status == "ok"
    x0[1, [0, 2]] = 9e9
    outcome = attempt(ESTIMATORS["bptt"], problem, x0, 1.0)
    assert outcome.status == "raised"
    assert "SimulatorWarning: MuJoCo warns: Nan, Inf or huge value in QPOS" in outcome.reason
