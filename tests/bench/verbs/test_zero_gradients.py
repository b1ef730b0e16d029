"""The verbs on samples whose true gradient is zero, as at the LQR's equilibrium."""

import json
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.store.records_csv import read_records
from tests.bench.conftest import assert_refused

PROBLEM = ("--system", "lqr", "--theta", "optimal", "--jobs", 1, "--plan", "field")
"""The plan of the whole field skips every other setting, and takes no time."""


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a run of two samples, both at rest; it is filled by the first test."""
    folder = tmp_path_factory.mktemp("rest")
    np.savetxt(folder / "x0.csv", np.zeros((2, 2)), delimiter=",")
    return folder


def test_with_all_samples_at_rest_there_is_nothing_to_compare(call, at_rest: Path) -> None:  # type: ignore[no-untyped-def]
    asked = (*PROBLEM, "--x0", at_rest / "x0.csv", "--out", at_rest / "run")
    for more in ((), ("--json",)):
        refused = call("compare", "ctpg", "bptt", *asked, *more)
        assert_refused(refused, "lqr (optimal)", "zero", "nothing to compare")
    records = read_records(at_rest / "run" / "records.csv")
    assert set(records.status) == {"zero"}
    assert_refused(call("matrix", "--out", at_rest / "run"), "nothing to compare")
    chosen = ("--estimator", "ctpg", "--estimator", "bptt")
    drawn = call("pareto", *chosen, *asked)
    assert drawn.returncode == 0
    assert "lqr (optimal)" in drawn.stderr
    assert "no figure" in drawn.stderr
    assert "Traceback" not in drawn.stderr
    assert not (at_rest / "run" / "figures").exists()
    swept = json.loads(call("sweep", *chosen, *asked, "--json").stdout)
    assert swept["failed"] == 0


def test_one_sample_at_rest_leaves_the_verdict_to_the_others(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    others = np.random.default_rng(0).uniform(-1, 1, (6, 2))
    np.savetxt(tmp_path / "x0.csv", [[0.0, 0.0], *others], delimiter=",")
    np.savetxt(tmp_path / "without.csv", others, delimiter=",")
    verdicts = []
    for name in ("x0", "without"):
        asked = (*PROBLEM, "--x0", tmp_path / f"{name}.csv", "--out", tmp_path / name, "--json")
        result = call("compare", "ctpg", "bptt", *asked)
        assert result.returncode == 0, result.stderr
        verdicts.append(json.loads(result.stdout))
    for with_rest, without in zip(*verdicts, strict=True):
        assert with_rest["samples"] == without["samples"] == 6
        for part in ("sentence", "answer", "samples_dominated", "points"):
            assert with_rest[part] == without[part]
        # The errors of a sample differ by rounding with the size of its batch.
        assert with_rest["ratio"] == pytest.approx(without["ratio"], rel=1e-3)
    records = read_records(tmp_path / "x0" / "records.csv")
    assert set(records[records["sample"] == 0].status) == {"zero"}
    assert "zero" not in set(records[records["sample"] > 0].status)
