"""The conformance kit: who passes it, and what it finds in whom it does not."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.conformance.finding import passes
from gradpareto.bench.conformance.kit import CHECKS, run_check
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem

REPRESENTATIVE = ["bptt-dop853", "ctpg-scipy", "neural_ode"]
"""One of high order, one that takes a lane at a time, and one that reconstructs the trajectory.

Those of low order, and those with one adaptive solve for all lanes, pass all checks in
`test_wrong_gradients.py`, where less is declared of them.
"""
MEASURED = ("exactness", "memory")
"""The checks that `test_traits.py` holds the registered ones to, with narrower margins."""
STATIC = np.empty(0)


@dataclass(frozen=True)
class Faulty(Estimator):
    """Does one thing wrong."""

    how: str
    memory: float = 1.0
    batch_decides: bool = False

    @property
    def declares(self) -> Declaration:
        declared = Declaration(knob="step", tight=0.01, order=4, memory=self.memory)
        return replace(declared, batch_decides=self.batch_decides)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:  # noqa: PLR0911, PLR0912
        own = ESTIMATORS["bptt-rk4"]
        match self.how:
            case "no terminal gradient":
                good = own(problem, x0, setting)
                return replace(good, grad_x0=good.grad_x0 - problem.terminal_gradient(x0))
            case "lower order":
                good, euler = own(problem, x0, setting), ESTIMATORS["bptt"](problem, x0, setting)
                return replace(good, grad_theta=euler.grad_theta)
            case "batch mean":
                good = own(problem, x0, setting)
                return replace(good, grad_theta=good.grad_theta * (1 + x0.mean() - x0[:, :1]))
            case "finer in a batch":
                return own(problem, x0, setting / len(x0))
            case "crosses jumps":
                smooth = object.__new__(type(problem.system))
                smooth.__dict__.update(vars(problem.system))
                object.__setattr__(smooth, "breakpoints", ())
                return own(replace(problem, system=smooth), x0, setting)
            case "writes into x0":
                x0 *= 0.5
            case "writes into theta":
                problem.theta[:] *= 0.5
            case "calls the system":
                problem.system.flow(np.zeros(len(x0)), x0, np.zeros((len(x0), 4)))
            case "calls the class":
                Problem.flow(problem, np.arange(len(x0)), np.zeros(len(x0)), x0)
            case "own problem":
                return own(
                    Problem(problem.system, problem.policy, problem.theta, problem.horizon),
                    x0,
                    setting,
                )
            case "single precision":
                good = own(problem, x0, setting)
                return replace(good, loss=good.loss.astype(np.float32))
            case "double precision inside":
                double = problem.with_theta(problem.theta.astype(float))
                good, kind = own(double, x0.astype(float), setting), x0.dtype
                return replace(
                    good,
                    loss=good.loss.astype(kind),
                    grad_x0=good.grad_x0.astype(kind),
                    grad_theta=good.grad_theta.astype(kind),
                )
            case "noise":
                good = own(problem, x0, setting)
                return replace(
                    good, loss=good.loss * (1 + 1e-10 * np.random.default_rng().random())
                )
            case "static buffer":
                good = own(problem, x0, setting)
                STATIC.resize(good.grad_x0.shape, refcheck=False)
                STATIC[...] = good.grad_x0
                return replace(good, grad_x0=STATIC)
            case "raises":
                raise RuntimeError("no such luck")
        return own(problem, x0, setting)


FAULTS = {
    "no terminal gradient": {"gradient", "breakpoints", "order"},
    "lower order": {"gradient", "order"},
    "batch mean": {"gradient", "lanes"},
    "crosses jumps": {"breakpoints"},
    "writes into x0": {"inputs"},
    "writes into theta": {"inputs"},
    "calls the system": {"oracles"},
    "calls the class": {"oracles"},
    "own problem": {"oracles"},
    "single precision": {"float64"},
    "double precision inside": {"precision"},
    "noise": {"repeats"},
    "static buffer": {"repeats"},
    "raises": {"answer"},
}
"""Each fault, with the checks of which one at least must find it."""


@pytest.mark.parametrize("check", [check for check in CHECKS if check not in MEASURED])
@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_registered_estimators_pass(name: str, check: str) -> None:
    found = run_check(check, ESTIMATORS[name])
    assert found.status != "failed", found


@pytest.mark.parametrize("how", FAULTS)
def test_faults_are_found_by_the_check_that_is_for_them(how: str) -> None:
    found = {check: run_check(check, Faulty(how)) for check in FAULTS[how]}
    failed = {check for check, finding in found.items() if finding.status == "failed"}
    assert failed, found
    assert all(finding.advice for finding in found.values() if finding.status == "failed")


def test_more_memory_than_is_declared_is_found() -> None:
    modest = replace(Faulty("hoards"), memory=0.0)
    assert run_check("memory", Faulty("hoards")).status == "passed"
    assert run_check("memory", modest).status == "failed"


@pytest.mark.parametrize(
    ("how", "declared", "status"),
    [
        ("finer in a batch", False, "failed"),
        ("finer in a batch", True, "passed"),
        ("batch mean", True, "failed"),
    ],
)
def test_the_batch_may_decide_by_its_size_if_that_is_declared_and_by_nothing_else(
    how: str, declared: bool, status: str
) -> None:
    assert run_check("lanes", Faulty(how, batch_decides=declared)).status == status


def test_the_faultless_one_passes_all() -> None:
    found = [run_check(check, Faulty("nothing")) for check in CHECKS]
    assert passes(found), [one for one in found if one.status == "failed"]


def test_the_report_tells_what_failed_and_what_to_do(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from estimators import ESTIMATORS\n"
        "import os\n"
        "def faulty(problem, x0, setting):\n"
        "    x0 += 1\n"
        "    if x0.dtype == 'float32':\n"
        "        os._exit(5)\n"
        "    return ESTIMATORS['bptt-rk4'](problem, x0 - 1, setting)\n"
        "faulty.knob, faulty.tight, faulty.order = 'step', 0.01, 4\n"
    )
    result = run("check", f"{tmp_path / 'mine.py'}:faulty", "--jobs", 1)
    assert result.returncode == 1, result.stderr
    assert "faulty: does not pass" in result.stdout
    assert "FAILED   inputs: changed: x0" in result.stdout
    assert "do: copy what is written to" in result.stdout
    assert "FAILED   precision: the process ended with exit code 5" in result.stdout
    assert "PASSED   gradient" in result.stdout
    assert "PASSED   order" in result.stdout


def test_what_takes_too_long_is_neither_right_nor_wrong(run: Callable, tmp_path: Path) -> None:
    """Processor time is what counts; what uses none is ended after ten times as long."""
    (tmp_path / "mine.py").write_text(
        "import time\n"
        "def busy(problem, x0, setting):\n"
        "    while True:\n"
        "        try:\n"
        "            sum(range(10**6))\n"
        "        except BaseException:\n"
        "            pass\n"
        "def asleep(problem, x0, setting):\n"
        "    time.sleep(60)\n"
    )
    seen = {
        "busy": "not finished within 0.5 s of processor time",
        "asleep": "not finished within 5 s, in which it mostly waited",
    }
    for name, told in seen.items():
        of = f"{tmp_path / 'mine.py'}:{name}"
        result = run("check", of, "--seconds", 0.5, "--jobs", 1, "--json")
        assert result.returncode == 1
        (row,) = json.loads(result.stdout)
        assert not row["passes"]
        (finding,) = row["findings"]
        assert (finding["status"], finding["seen"]) == ("timeout", told)
        assert "neither right nor wrong" in result.stderr
