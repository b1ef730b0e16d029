"""asv's folder: accepted by asv, thin, and in step with the registries."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradpareto.bench.asv_metrics import (
    PROBLEMS,
    SAMPLES,
    drawn_samples,
    measure_tracked,
    metrics,
)
from gradpareto.bench.draw.highlights import ALWAYS
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.samples import certified
from gradpareto.bench.run.trace import BEST_ERROR
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.reference import default_folder
from gradpareto.systems import TASKS, Array, Problem

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "bench" / "asv_suite" / "frontiers.py"


@pytest.fixture(scope="module")
def suite() -> Any:
    """asv's folder, as asv imports it."""
    spec = importlib.util.spec_from_file_location("frontiers", SUITE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_suite_follows_every_estimator_on_what_is_tracked(suite: Any) -> None:
    assert list(PROBLEMS) == suite.PROBLEMS
    assert len(PROBLEMS) >= 6
    assert all(theta in TASKS[system].presets for system, theta, _ in PROBLEMS.values())
    assert list(ESTIMATORS) == suite.Evaluations.params[1]
    assert list(ALWAYS) == suite.NAMED
    assert set(suite.NAMED) <= set(ESTIMATORS)
    assert set(suite.TIMED) <= set(PROBLEMS)


def test_asv_installs_all_that_the_package_needs() -> None:
    """It builds the package without its dependencies; commits of before may need others as well."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", one)[0] for one in project["dependencies"]}  # type: ignore[index]
    installed = json.loads((ROOT / "asv.conf.json").read_text())["matrix"]["req"]
    assert needed <= set(installed)


def test_who_solves_lane_by_lane_sees_all_samples() -> None:
    """Else the history would have a step where the share of a sweep's samples changes."""
    problem, name = "lqr (perturbed)", "ctpg-scipy"
    system, theta, error = PROBLEMS[problem]
    samples = certified(system, theta, SAMPLES, 0, default_folder())
    assert ESTIMATORS[name].declares.per_lane
    assert len(samples.x0) == SAMPLES
    found = measure_tracked([problem], [name])[problem, name]
    assert found["evals"] == metrics(ESTIMATORS[name], samples, error, error)["evals"]


def test_every_benchmark_runs_on_what_setup_cache_returns(suite: Any) -> None:
    """`asv check` looks at signatures only."""
    problem = suite.TIMED[0]
    found = measure_tracked([problem], ["bptt", "ctpg"])
    for kind in (suite.Evaluations, suite.Frontier, suite.Time):
        names = [name for name in dir(kind) if name.startswith(("track_", "time_"))]
        assert names
        for name in names:
            one = kind()
            one.setup(found, problem, "ctpg")
            value = getattr(one, name)(found, problem, "ctpg")
            assert value is None if name.startswith("time_") else np.isfinite(value)
            assert getattr(kind, name).pretty_name
        with pytest.raises(NotImplementedError, match="no such estimator"):
            kind().setup(found, problem, "no such estimator")
    with pytest.raises(NotImplementedError, match="its smallest error within 4,096 evaluations"):
        suite.Evaluations().setup(found, problem, "bptt")
    evals = found[problem, "ctpg"]["evals"]
    assert evals == round(float(evals))


@dataclass(frozen=True)
class Known(Estimator):
    """Its relative error is 10 n ** -order at n steps, which take 2 n evaluations, or it breaks."""

    gradient: Array
    order: int
    breaks: bool = False
    declares = Declaration(knob="step", tight=1e-3)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        if self.breaks:
            raise RuntimeError("it broke")
        number = round(problem.horizon / setting)
        lane, zeros = np.arange(len(x0)), np.zeros(len(x0))
        for _ in range(2 * number):
            problem.flow(lane, zeros, x0)
        wrong = self.gradient * (1 + 10 * number**-self.order)
        parts = wrong[:, : x0.shape[1]], wrong[:, x0.shape[1] :]
        return Estimate(zeros, *parts, np.full(len(x0), number))


def test_what_is_tracked(cache: Path) -> None:
    """Truth: an error of 10 n ** -4 is 1e-6 at 56.2 steps, and of 10 n ** -1 at none of so few."""
    samples = certified("lqr", "perturbed", 3, 0, cache)
    found = metrics(Known(samples.gradient, 4), samples, 1e-6, 1e-6)
    assert found["evals"] == pytest.approx(2 * (10 / 1e-6) ** 0.25, rel=0.02)
    assert found["reason"] == ""
    setting = float(found["setting"])
    assert 10 * (samples.problem.horizon / setting) ** -4 <= 1e-4
    down = metrics(Known(samples.gradient, 4), samples, 1e-6, BEST_ERROR)
    assert down["evals"] == found["evals"]
    assert float(down["error_floor"]) < 1e-9 < float(found["error_floor"]) <= 1e-6
    slow = metrics(Known(samples.gradient, 1), samples, 1e-6, 1e-6)
    assert np.isnan(float(slow["evals"]))
    assert "smallest error within 4,096 evaluations is 4.9e-03" in str(slow["reason"])
    broken = metrics(Known(samples.gradient, 1, breaks=True), samples, 1e-6, 1e-6)
    assert "it broke" in str(broken["reason"])


def test_what_goes_wrong_with_an_estimator_or_a_problem_is_lost_there_alone() -> None:
    problem = next(iter(PROBLEMS))
    found = measure_tracked([problem, "nowhere"], ["unheard of", "bptt-rk4"])
    assert len(found) == 4
    assert "unheard of" in str(found[problem, "unheard of"]["reason"])
    assert "nowhere" in str(found["nowhere", "bptt-rk4"]["reason"])
    assert found[problem, "bptt-rk4"]["reason"] == ""


def test_the_problems_are_drawn_as_the_sweep_draws_them() -> None:
    plan = Plan((("quadrotor", "initial"),), ("bptt",), samples=SAMPLES)
    _, x0 = drawn_samples("quadrotor (initial)")
    np.testing.assert_array_equal(x0, plan.sampled("quadrotor", "initial")[1])


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
