"""Bias and deviation of stochastic estimators, in the records and apart."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench.measure import REPLICATES, bias_and_deviation, measure
from bench.records import ADDED, COLUMNS, SCHEMA, Cell, Record, RunFolder, read_records
from estimators import ESTIMATORS, Estimate, Estimator
from estimators.estimate import Knob
from reference import load_or_certify
from systems import TASKS, Array, Problem

ROOT = Path(__file__).parents[2]
OFF = 0.5


@dataclass(frozen=True)
class Noisy(Estimator):
    """BPTT's gradient, OFF in its first entry, and noise; or what `how` says under seed 3."""

    how: str = ""
    seed: int = 0
    knob: Knob = "rollouts"
    tight: float = 4.0
    stochastic = True

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        good = ESTIMATORS["bptt-dop853"](problem, x0, 0.05)
        rng = np.random.default_rng(self.seed)
        good.grad_x0[:] += rng.standard_normal(x0.shape) / np.sqrt(setting)
        good.grad_x0[:, 0] += OFF
        good.loss[:] += self.seed
        if self.seed == 3 and self.how == "raises":
            raise RuntimeError("trouble")
        if self.seed == 3 and self.how == "nan":
            good.grad_theta[1, 2] = np.nan
        return good


def records(estimator: Estimator, cache: Path, setting: float = 4.0) -> list[Record]:
    problem, x0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(0), 2)
    cell = Cell("lqr", "perturbed", "noisy", setting, 2)
    reference = load_or_certify(problem, x0, cache)
    return measure(cell, estimator, problem, x0, reference, 0, 2**30, timed=False)


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


def test_the_error_is_what_bias_and_deviation_add_up_to(cache: Path) -> None:
    """Truth: the same noise drawn here; both parts relative to the reference's norm."""
    for sample, one in enumerate(records(Noisy(), cache)):
        assert one.status == "ok"
        assert one.rel_error**2 == pytest.approx(one.bias**2 + one.deviation**2, rel=1e-9)
        size = one.abs_error / one.rel_error
        noise = [np.random.default_rng(k).standard_normal((2, 2)) / 2 for k in range(REPLICATES)]
        off = np.stack([part[sample] + [OFF, 0] for part in noise])
        assert one.abs_error == pytest.approx(np.sqrt((off**2).sum(axis=1).mean()), rel=1e-6)
        assert one.deviation * size == pytest.approx(np.sqrt(off.var(0, ddof=1).sum()), rel=1e-6)
        assert one.abs_error_x0 == pytest.approx(one.abs_error, rel=1e-6)
        assert one.abs_error_theta < 1e-6


def test_counts_are_those_of_one_replicate(cache: Path) -> None:
    """Truth: DOP853's 12 stages each way, 200 steps; the loss is the replicates' mean."""
    one, other = records(Noisy(), cache)
    assert one.f_evals == other.f_evals == 12 * 200
    assert one.evals == 2 * 12 * 200
    alone = records(ESTIMATORS["bptt-dop853"], cache, 0.05)
    assert one.loss - alone[0].loss == pytest.approx(np.mean(range(REPLICATES)))
    assert np.isnan([alone[0].bias, alone[0].deviation]).all()


def test_a_replicate_that_raises_fails_the_cell_and_is_named(cache: Path) -> None:
    for one in records(Noisy("raises"), cache):
        assert (one.status, one.reason) == ("raised", "replicate 3: RuntimeError: trouble")
        assert np.isnan([one.rel_error, one.bias, one.deviation]).all()


def test_a_replicate_without_a_number_fails_its_own_sample(cache: Path) -> None:
    one, other = records(Noisy("nan"), cache)
    assert one.status == "ok"
    assert np.isfinite([one.bias, one.deviation]).all()
    assert (other.status, other.reason) == ("diverged", "the gradient is not finite")
    assert np.isnan(other.bias)


@pytest.mark.parametrize("name", [n for n, e in ESTIMATORS.items() if e.stochastic])
def test_more_rollouts_deviate_less(name: str, cache: Path) -> None:
    """Truth: variance as 1 / n, within what 16 replicates of 2 samples tell; timed and traced."""
    problem, x0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(0), 2)
    reference, found = load_or_certify(problem, x0, cache), []
    for setting in (4.0, 256.0):
        cell = Cell("lqr", "perturbed", name, setting, 2)
        rows = measure(cell, ESTIMATORS[name], problem, x0, reference, 0, 2**30)
        assert all(row.status == "ok" and row.wall_s > 0 and row.peak_bytes > 0 for row in rows)
        found.append(np.mean([row.deviation**2 for row in rows]))
    assert 64 / 2 < found[0] / found[1] < 64 * 2


def test_published_records_of_the_first_schema_are_read_and_gone_on_with(tmp_path: Path) -> None:
    """Truth: a published run, without the added columns until something is measured again."""
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(ROOT / "results" / "default", folder.path)
    text = folder.records_path.read_text()
    table, provenance = read_records(folder.records_path), folder.provenance()
    if provenance["schema"] == 1:
        assert not set(ADDED) & set(text.splitlines()[0].split(","))
    assert list(table.columns) == COLUMNS
    assert table[list(ADDED)].isna().all(axis=None)
    folder.unpack()
    folder.add_session({})
    assert folder.provenance()["schema"] == SCHEMA
    again = folder.read_cells()
    assert list(again.columns) == COLUMNS
    assert len(again) == len(table)


def test_a_schema_of_the_future_is_not_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open({})
    held = folder.provenance() | {"schema": SCHEMA + 1}
    folder.provenance_path.write_text(json.dumps(held))
    with pytest.raises(ValueError, match=f"schema {SCHEMA + 1}, this version reads 1 and 2"):
        folder.provenance()
