"""Bias and deviation of stochastic estimators, in the records and apart."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.run.errors import bias_and_deviation
from gradpareto.bench.run.measure import REPLICATES, measure
from gradpareto.bench.store.record import COLUMNS, Cell, Record
from gradpareto.bench.store.records import SCHEMA, RunFolder
from gradpareto.bench.store.records_csv import ADDED
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.reference import Reference, load_or_certify
from gradpareto.systems import TASKS, Array, Problem

ROOT = Path(__file__).parents[3]
OFF = 0.5


@dataclass(frozen=True)
class Noisy(Estimator):
    """The given gradient, OFF in its first entry, and noise; or what `how` says under seed 3."""

    truth: Reference
    how: str = ""
    seed: int = 0
    declares = Declaration(knob="rollouts", tight=4.0, stochastic=True)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        called = ESTIMATORS["bptt"](problem, x0, 1.0)
        truth = self.truth.grad_x0.copy(), self.truth.grad_theta.copy()
        good = Estimate(self.truth.loss.copy(), *truth, called.steps)
        rng = np.random.default_rng(self.seed)
        good.grad_x0[:] += rng.standard_normal(x0.shape) / np.sqrt(setting)
        good.grad_x0[:, 0] += OFF
        good.loss[:] += self.seed
        if self.seed == 3 and self.how == "raises":
            raise RuntimeError("trouble")
        if self.seed == 3 and self.how == "nan":
            good.grad_theta[1, 2] = np.nan
        return good


PROBLEM, X0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(0), 2)


@pytest.fixture(scope="module")
def truth(cache: Path) -> Reference:
    return load_or_certify(PROBLEM, X0, cache)


def records(estimator: Estimator, truth: Reference, setting: float = 4.0) -> list[Record]:
    cell = Cell("lqr", "perturbed", "noisy", setting, 2)
    return measure(cell, estimator, PROBLEM, X0, truth, 0, 2**30, timed=False)


def test_squares_of_bias_and_deviation_are_unbiased() -> None:
    """Truth: a mean error of norm 3 and a covariance of trace 1 + 4 + 9, over 4000 experiments."""
    rng, k = np.random.default_rng(0), 8
    off = np.array([2.0, 1.0, -2.0]) + np.array([1.0, 2.0, 3.0]) * rng.standard_normal((4000, k, 3))
    found = np.array([bias_and_deviation(one) for one in off])
    assert (found > 0).all(axis=0)[1]
    unclipped = (found**2).mean(axis=0)
    # A few experiments in a hundred are clipped at 0: what that adds is well below a twentieth.
    np.testing.assert_allclose(unclipped, [9, 14], rtol=0.05)
    naive = np.square(off.mean(axis=1)).sum(axis=1).mean()
    assert naive == pytest.approx(9 + 14 / k, rel=0.05)


def test_the_error_is_what_bias_and_deviation_add_up_to(truth: Reference) -> None:
    """Truth: the same noise drawn here; both parts relative to the reference's norm."""
    for sample, one in enumerate(records(Noisy(truth), truth)):
        assert one.status == "ok"
        assert one.rel_error**2 == pytest.approx(one.bias**2 + one.deviation**2, rel=1e-9)
        size = one.abs_error / one.rel_error
        noise = [np.random.default_rng(k).standard_normal((2, 2)) / 2 for k in range(REPLICATES)]
        off = np.stack([part[sample] + [OFF, 0] for part in noise])
        assert one.abs_error == pytest.approx(np.sqrt((off**2).sum(axis=1).mean()), rel=1e-9)
        assert one.deviation * size == pytest.approx(np.sqrt(off.var(0, ddof=1).sum()), rel=1e-9)
        assert one.abs_error_x0 == pytest.approx(one.abs_error, rel=1e-9)
        assert one.abs_error_theta == 0


def test_counts_are_those_of_one_replicate(truth: Reference) -> None:
    """Truth: Euler's 10 steps each way; the loss is the replicates' mean."""
    one, other = records(Noisy(truth), truth)
    assert one.f_evals == other.f_evals == 10
    assert one.evals == 20
    alone = records(ESTIMATORS["bptt"], truth, 1.0)
    assert one.loss - truth.loss[0] == pytest.approx(np.mean(range(REPLICATES)))
    assert np.isnan([alone[0].bias, alone[0].deviation]).all()


def test_a_replicate_that_raises_fails_the_cell_and_is_named(truth: Reference) -> None:
    for one in records(Noisy(truth, "raises"), truth):
        assert (one.status, one.reason) == ("raised", "replicate 3: RuntimeError: trouble")
        assert np.isnan([one.rel_error, one.bias, one.deviation]).all()


def test_a_replicate_without_a_number_fails_its_own_sample(truth: Reference) -> None:
    one, other = records(Noisy(truth, "nan"), truth)
    assert one.status == "ok"
    assert np.isfinite([one.bias, one.deviation]).all()
    assert (other.status, other.reason) == ("diverged", "the gradient is not finite")
    assert np.isnan(other.bias)


@pytest.mark.parametrize("name", [n for n, e in ESTIMATORS.items() if e.declares.stochastic])
def test_more_rollouts_deviate_less(name: str, truth: Reference) -> None:
    """Truth: variance as 1 / n, within what 16 replicates of 2 samples tell; timed and traced."""
    found = []
    for setting in (4.0, 256.0):
        cell = Cell("lqr", "perturbed", name, setting, 2)
        method: Any = replace(cast("Any", ESTIMATORS[name]), steps=16)
        rows = measure(cell, method, PROBLEM, X0, truth, 0, 2**30)
        assert all(row.status == "ok" and row.wall_s > 0 and row.peak_bytes > 0 for row in rows)
        found.append(np.mean([row.deviation**2 for row in rows]))
    assert 64 / 2 < found[0] / found[1] < 64 * 2


def test_records_of_the_first_schema_are_read_and_gone_on_with(tmp_path: Path) -> None:
    """Truth: records as the first schema had them, without the columns that came later."""
    folder, published = RunFolder(tmp_path / "run"), ROOT / "results" / "default"
    table = pd.read_csv(published / "records.csv", dtype=str, keep_default_na=False, nrows=199)
    first = table.drop(columns=list(ADDED))
    first.insert(list(first).index("seed") + 1, "dtype", "float64")
    folder.path.mkdir()
    first.to_csv(folder.records_path, index=False)
    provenance = json.loads((published / "provenance.json").read_text()) | {"schema": 1}
    folder.provenance_path.write_text(json.dumps(provenance))
    read = folder.read_cells()
    assert list(read.columns) == COLUMNS
    assert read[list(ADDED)].isna().all(axis=None)
    with folder.opened({}), folder.cells() as store:
        folder.add_session({})
        folder.publish(store)
    assert folder.provenance()["schema"] == SCHEMA
    again = folder.read_cells()
    assert list(again.columns) == COLUMNS
    assert len(again) == len(read)


def test_a_schema_of_the_future_is_not_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.opened({}):
        pass
    held = folder.provenance() | {"schema": SCHEMA + 1}
    folder.provenance_path.write_text(json.dumps(held))
    with pytest.raises(ValueError, match=f"schema {SCHEMA + 1}, this version reads 1 to 4"):
        folder.provenance()
