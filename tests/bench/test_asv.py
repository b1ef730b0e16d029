"""asv's folder: accepted by asv, thin, and in step with the registries."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.asv_metrics import PROBLEMS, metrics
from gradpareto.bench.judge.frontier import Front, median_curve
from gradpareto.bench.run.plan import DEFAULT_ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.conftest import MakeRecords

ROOT = Path(__file__).parents[2]
METRICS = [
    "evals_to_1e_2",
    "evals_to_1e_4",
    "evals_to_1e_6",
    "error_floor",
    "stored_bytes",
    "peak_bytes",
    "epsilon_vs_bptt",
]
SUITE = ROOT / "bench" / "asv_suite" / "frontiers.py"


def constants() -> dict[str, list[str]]:
    tree = ast.parse(SUITE.read_text())
    assigned = (node for node in tree.body if isinstance(node, ast.Assign))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in assigned
        if isinstance(node.value, ast.List)
    }  # type: ignore[attr-defined]


def test_the_suite_measures_what_is_tracked() -> None:
    found = constants()
    assert found["SYSTEMS"] == list(PROBLEMS)
    assert all(preset in TASKS[system].presets for system, preset in PROBLEMS.items())
    assert found["ESTIMATORS"] == list(DEFAULT_ESTIMATORS)


def test_asv_installs_all_that_the_package_needs() -> None:
    """It builds the package without its dependencies; commits of before may need others as well."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", one)[0] for one in project["dependencies"]}  # type: ignore[index]
    installed = json.loads((ROOT / "asv.conf.json").read_text())["matrix"]["req"]
    assert needed <= set(installed)


def test_every_benchmark_runs_on_what_setup_cache_returns() -> None:
    """`asv check` looks at signatures only."""
    spec = importlib.util.spec_from_file_location("frontiers", SUITE)
    assert spec
    assert spec.loader
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    values = {"setting": 0.5, **dict.fromkeys(METRICS, 2.0)}
    found = {("lqr", "bptt"): values}
    for kind in (suite.Frontier, suite.Time):
        names = [name for name in dir(kind) if name.startswith(("track_", "time_"))]
        assert names
        for name in names:
            one = kind()
            one.setup(found, "lqr", "bptt")
            value = getattr(one, name)(found, "lqr", "bptt")
            assert value == (values[name.removeprefix("track_")] if "track" in name else None)
        with pytest.raises(NotImplementedError):
            kind().setup(found, "lqr", "no such estimator")


def test_what_is_tracked(power_law: MakeRecords) -> None:
    """On error = 10 n^-2, epsilon against error = 90 n^-2 is known: 9^(-1/3) on both axes."""
    baseline = median_curve(power_law("bptt", 90.0, 2)).front
    inner = baseline.error <= 1e-2  # the cheapest point of all is as cheap for both
    baseline = Front(baseline.evals[inner], baseline.error[inner])
    found = metrics(power_law("ctpg", 10.0, 2), baseline)
    assert set(found) == {*METRICS, "setting"}
    targets = {"evals_to_1e_2": 1e-2, "evals_to_1e_4": 1e-4}
    jitter = np.exp(0.1 * np.random.default_rng(1).standard_normal(8))
    for name, target in targets.items():
        assert found[name] == pytest.approx(np.median(np.sqrt(10 * jitter / target)), rel=1e-6)
    assert found["epsilon_vs_bptt"] == pytest.approx(9 ** (-1 / 3), rel=0.02)


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
