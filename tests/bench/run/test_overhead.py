"""The overhead of an estimator is measured on every kind of system and of oracle."""

import time
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.run import wall_model
from gradpareto.bench.run.loosest_setting import loosest_setting
from gradpareto.bench.run.meter import metered
from gradpareto.bench.run.overhead import measure_overhead, oracle_calls
from gradpareto.bench.run.overhead_table import Timed, overhead_table
from gradpareto.bench.run.report import silent
from gradpareto.bench.run.samples import certified, drawn
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate
from gradpareto.estimators.bptt import Bptt
from gradpareto.estimators.solvers.explicit.tableaus import EULER, RK4
from gradpareto.systems import TASKS, Array, Problem


def sampled(system: str, samples: int) -> tuple[Problem, Array]:
    task = TASKS[system]
    problem = task.problem(next(iter(task.presets)))
    return problem.sample(np.random.default_rng(0), samples)


CASES = [
    ("lqr", "bptt", 1.0),
    ("lqr", "gauss_legendre-4", 1.0),  # asks for Jacobians
    ("lqr", "ctpg-scipy", 1e-2),  # lane by lane
    ("lqr", "finite_difference", 2.5),  # a parameter vector for each row
    ("electric", "gauss_legendre-4", 1.5),  # has a context
    ("electric", "ctpg", 1e-2),
    ("electric", "forward_difference", 3.84),
]


@pytest.mark.parametrize(("system", "estimator", "setting"), CASES)
def test_every_call_that_the_meter_counts_is_made_again(
    system: str, estimator: str, setting: float
) -> None:
    """Truth: the meter's counts, by the oracle and the number of rows."""
    problem, x0 = sampled(system, 2)
    counted = metered(problem, len(x0))
    ESTIMATORS[estimator](counted, x0, setting)
    found = oracle_calls(problem, ESTIMATORS[estimator], x0, setting)
    assert {key: own.count for key, own in found.items()} == dict(counted.meter.batches)
    for (_, rows), own in found.items():
        result = own.first()
        assert isinstance(result, tuple)
        assert len(result[0]) == rows


def test_a_jacobian_is_timed_as_one() -> None:
    """Truth: its shape. It is a vector-Jacobian product for each state, not one."""
    problem, x0 = sampled("electric", 2)
    found = oracle_calls(problem, ESTIMATORS["gauss_legendre-4"], x0, 1.5)
    jacobians = [own.first() for (oracle, _), own in found.items() if oracle == "jacobian"]
    width = x0.shape[1]
    assert jacobians
    assert all(rows.shape[1:] == (width, width) for rows, _ in jacobians)  # type: ignore[misc]


@pytest.mark.parametrize(("system", "estimator", "setting"), CASES)
def test_an_overhead_is_measured(system: str, estimator: str, setting: float) -> None:
    with np.errstate(all="ignore"):
        batches = repeat(sampled(system, 2))
        found = measure_overhead(batches, ESTIMATORS[estimator], setting, seconds=0)
    assert found.lanes == 2
    for spread in (found.gradient_s, found.oracles_s, found.factor):
        assert 0 < spread.low <= spread.median <= spread.high


def test_time_that_is_spent_outside_of_the_oracles_is_overhead() -> None:
    """Truth: the estimator sleeps for as long as the test says."""

    class Sleeper(Bptt):
        def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
            time.sleep(0.02)
            return super().__call__(problem, x0, setting)

    found = measure_overhead(repeat(sampled("lqr", 2)), Sleeper(EULER), 1.0, seconds=0)
    assert found.gradient_s.low > 0.02 > found.oracles_s.median


def test_a_batch_repeats_the_samples() -> None:
    samples = drawn(TASKS["electric"].problem("initial"), 3, seed=1)
    problem, x0 = samples.batch(5, first=2)
    order = [2, 0, 1, 2, 0]
    np.testing.assert_array_equal(x0, samples.x0[order])
    assert samples.problem.context is not None
    np.testing.assert_array_equal(problem.context, samples.problem.context[order])


def test_the_loosest_setting_reaches_the_error_and_the_one_before_does_not(tmp_path: Path) -> None:
    samples, method = certified("lqr", "optimal", 2, 0, tmp_path), ESTIMATORS["bptt-rk4"]
    found = loosest_setting(method, samples, 1e-4)
    assert found is not None
    problem, x0 = samples.problem, samples.x0
    assert samples.rel_error(method(problem, x0, found.setting).gradient) == found.rel_error <= 1e-4
    steps = round(problem.horizon / found.setting)
    looser = problem.horizon / int(steps / 2**0.25)
    assert samples.rel_error(method(problem, x0, looser).gradient) > 1e-4
    assert found.evals == 8 * steps
    assert loosest_setting(ESTIMATORS["bptt"], samples, 1e-9) is None


@dataclass(frozen=True)
class CoarserInBatches(Bptt):
    """Kutta's method whose step is the setting times the number of lanes."""

    @property
    def declares(self) -> Declaration:
        return replace(super().declares, batch_decides=True)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        return super().__call__(problem, x0, len(x0) * setting)


def test_a_setting_is_found_for_each_batch_that_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: Kutta's method with the step that a batch of 2 or 3 lanes makes of the setting."""
    monkeypatch.setitem(ESTIMATORS, "coarser", CoarserInBatches(RK4))
    asked = Timed([("lqr", "optimal")], ["coarser"], [1, 2, 3], 3, 0, 1.0, 1e-4, tmp_path)
    samples = certified("lqr", "optimal", 3, 0, tmp_path)
    assert len(samples.x0) == 3
    for row in overhead_table(asked, silent).itertuples():
        step = row.batch * row.setting
        found = Bptt(RK4)(samples.problem, samples.x0, step).gradient
        assert samples.rel_error(found) == pytest.approx(row.rel_error, rel=1e-6)
        assert row.rel_error <= 1e-4


def test_the_wall_model_recovers_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: a clock that charges 5 for a call and 2 for each row, whatever the oracle."""
    problem, x0 = sampled("lqr", 2)
    monkeypatch.setattr(wall_model, "_fastest", lambda call: 5.0 + 2.0 * len(call.args[0]))
    model = wall_model.fit_wall_model(problem, x0)
    assert model.seconds({("flow", 3): 2, ("jacobian", 4): 1}) == pytest.approx(2 * 11 + 13)


def test_the_table_has_a_row_for_each_batch_and_says_what_is_not_reached(tmp_path: Path) -> None:
    problems, names = [("lqr", "optimal")], ["bptt", "spectral"]
    timed = Timed(problems, names, [1, 2], 2, 0, np.nan, 1e-8, tmp_path)
    table = overhead_table(timed, silent)
    assert table.estimator.tolist() == ["bptt", "bptt", "spectral", "spectral"]
    assert table.batch.tolist() == [1, 2, 1, 2]
    assert set(table.reason[:2]) == {"no setting reaches 1e-08"}
    assert (table.rel_error[2:] <= 1e-8).all()
    assert (table.factor[2:] > 1).all()
    assert (table.model_ms[2:] < table.gradient_ms[2:]).all()
