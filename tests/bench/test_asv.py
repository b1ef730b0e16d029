"""asv's folder: accepted by asv, thin, and in step with the registries."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench.plan import DEFAULT_ESTIMATORS
from systems import TASKS

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "bench" / "asv_suite" / "frontiers.py"


def constants() -> dict[str, list[str]]:
    tree = ast.parse(SUITE.read_text())
    assigned = (node for node in tree.body if isinstance(node, ast.Assign))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in assigned
        if isinstance(node.value, ast.List)
    }  # type: ignore[attr-defined]


def test_the_suite_measures_what_is_registered() -> None:
    found = constants()
    assert found["SYSTEMS"] == list(TASKS)
    assert found["ESTIMATORS"] == list(DEFAULT_ESTIMATORS)


def test_asv_check(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("asv needs a git checkout")
    machine = [sys.executable, "-m", "asv", "machine", "--yes", "--machine", "tests"]
    environment = {
        "HOME": str(tmp_path),
        "PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin",
    }
    subprocess.run(machine, cwd=ROOT, env=environment, check=True, capture_output=True)
    command = [sys.executable, "-m", "asv", "check", "-E", f"existing:{sys.executable}"]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
