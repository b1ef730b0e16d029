"""The library as a notebook uses it: ten lines that certify, estimate, sweep, compare and draw."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import gradpareto as gp
from gradpareto.bench.store.records import read_records

EXAMPLE = """
import numpy as np
import gradpareto as gp

problem, x0 = gp.TASKS["lqr"].problem("optimal").sample(np.random.default_rng(0), 4)
estimate = gp.ESTIMATORS["ctpg"](problem, x0, 1e-4)  # continuous adjoint, tolerance 1e-4
print(np.abs(estimate.gradient - gp.certify(problem, x0).gradient).max())

folder = gp.RunFolder("runs/lqr")
records = gp.sweep(gp.Plan([("lqr", "optimal")], ["ctpg", "bptt"], samples=4), folder)
print(gp.compare(records, "ctpg", "bptt").sentence())
gp.frontier_figure(records, folder.read_limit("lqr", "optimal")).savefig("lqr.png")
"""


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_records(Path(__file__).parents[1] / "results" / "default" / "records.csv")


def test_the_example_runs_outside_the_repository(tmp_path: Path) -> None:
    """Truth: a tolerance of 1e-4 gives a small error, and the published run's verdict."""
    result = subprocess.run(
        [sys.executable, "-c", EXAMPLE],
        cwd=tmp_path,
        env=os.environ | {"GRADPARETO_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    error, sentence = result.stdout.splitlines()
    assert 1e-12 < float(error) < 1e-4
    assert sentence.startswith("lqr (optimal): ctpg dominates bptt, at relative errors from 0.01")
    assert (tmp_path / "lqr.png").stat().st_size > 10_000
    assert set(gp.RunFolder(tmp_path / "runs" / "lqr").read_cells().estimator) == {"ctpg", "bptt"}


def test_every_name_of_the_surface_is_there() -> None:
    assert {"TASKS", "ESTIMATORS", "certify", "sweep", "compare", "Plan", "headline"} <= set(
        gp.__all__
    )
    for name in gp.__all__:
        assert getattr(gp, name) is not None


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        (gp.Plan([("lqr", "optimal")], ["ctgp"]), "unknown estimator 'ctgp': did you mean 'ctpg'"),
        (gp.Plan([("lqrr", "optimal")]), "unknown system 'lqrr': did you mean 'lqr'"),
        (gp.Plan([("lqr", "best")]), "lqr has no preset 'best': known: optimal"),
    ],
)
def test_a_plan_with_an_unknown_name_is_refused(
    plan: gp.Plan, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=complaint):
        gp.sweep(plan, gp.RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_verdict_is_on_one_problem_and_on_estimators_that_were_measured(
    published: pd.DataFrame,
) -> None:
    with pytest.raises(ValueError, match=r"one problem, and these are of: .*lqr \(optimal\), "):
        gp.compare(published, "ctpg", "bptt")
    one = published[(published.system == "lqr") & (published.theta == "optimal")]
    assert gp.compare(one, "ctpg", "bptt").answer == "dominates"
    with pytest.raises(ValueError, match=r"no record of 'mine', but of: .*ctpg"):
        gp.compare(one, "mine", "bptt")
