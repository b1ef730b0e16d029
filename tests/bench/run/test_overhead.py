"""The overhead of an estimator is measured on every kind of system and of oracle."""

import numpy as np
import pytest

from gradpareto.bench.run.meter import metered
from gradpareto.bench.run.overhead import measure_overhead, oracle_calls
from gradpareto.estimators import ESTIMATORS
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
    problem, x0 = sampled(system, 2)
    with np.errstate(all="ignore"):
        found = measure_overhead(problem, ESTIMATORS[estimator], x0, setting, repeats=1)
    assert found.lanes == 2
    assert found.gradient_s > 0
    assert found.oracles_s > 0
    assert found.batch_speedup > 0
