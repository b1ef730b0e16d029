"""The surface of the library, and the way it answers mistakes."""

from pathlib import Path

import pandas as pd
import pytest

import gradpareto as gp
from gradpareto.bench.store.records_csv import read_records

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_records(ROOT / "results" / "default" / "records.csv")


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
