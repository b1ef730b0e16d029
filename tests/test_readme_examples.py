"""The README's examples of plug-ins, taken from its code blocks and run as it says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, flags=re.DOTALL))
"""File name to content: a block begins with a comment that names its file."""
PLUG_INS = {
    "my_estimator.py:my_euler": [""],
    "my_solver.py:MySolver": ["-ctpg", "-gauss_adjoint", "-backsolve"],
    "my_tableau.py:MyTableau": ["-bptt", "-ctpg", "-backsolve"],
}
COMMANDS = re.findall(r"^    gradpareto (.*\bmy_\w+\.py:.*)$", TEXT, flags=re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Outside the repository, with the files of all blocks."""
    for name, content in BLOCKS.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def gradpareto(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder, with the repository importable as it is once installed."""
    return subprocess.run(
        [sys.executable, "-m", "gradpareto", *arguments],
        cwd=folder,
        env=os.environ | {"GRADPARETO_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_readme_has_an_example_of_each_level() -> None:
    assert set(BLOCKS) == {name.partition(":")[0] for name in PLUG_INS}
    assert {shlex.split(line)[0] for line in COMMANDS} == {"check", "compare", "overhead"}


@pytest.mark.parametrize("name", PLUG_INS)
def test_each_example_passes_the_conformance_kit_in_all_its_forms(folder: Path, name: str) -> None:
    result = gradpareto(folder, "check", name, "--json", "--workers", "1")
    assert result.returncode == 0, result.stdout + result.stderr
    found = [row["estimator"] for row in json.loads(result.stdout)]
    own = name.partition(":")[2]
    assert {own + form for form in PLUG_INS[name]} <= set(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_runs_as_it_is_written(folder: Path, command: str) -> None:
    words = shlex.split(command, comments=True)
    if words[0] == "compare":
        # As it stands it takes minutes: here it is on the smallest system, and fewer samples.
        words[words.index("quadrotor")] = "lqr"
        words += ["--samples", "2", "--theta", "optimal", "--json"]
    result = gradpareto(folder, *words)
    assert result.returncode == 0, result.stdout + result.stderr
    if words[0] == "compare":
        verdicts = json.loads(result.stdout)
        assert {verdict["new"] for verdict in verdicts} == {
            "MySolver" + form for form in PLUG_INS["my_solver.py:MySolver"]
        }
        assert "dominates" in {verdict["answer"] for verdict in verdicts}
