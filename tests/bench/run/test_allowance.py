"""Samples that take more evaluations than they are allowed are given up, and no others."""

import numpy as np
import pytest

from gradpareto.bench.run.attempt import attempt
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS

PROBLEM, X0 = TASKS["quadrotor"].problem("initial").sample(np.random.default_rng(0), 4)
SETTINGS = {
    "ctpg": 1e-4,
    "multistep_adjoint": 1e-4,
    "bptt-rk4": 0.1,
    "bptt-adaptive-dop853": 1e-4,
    "gauss_legendre-4": 0.5,
    "neural_ode-checkpointed": 1e-4,
    "picard_ladder": 1e-4,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_sample_beyond_its_allowance_is_lost_and_costs_little_more(name: str) -> None:
    estimator, setting = ESTIMATORS[name], SETTINGS[name]
    free = attempt(estimator, PROBLEM, X0, setting)
    allowance = 0.6 * float(free.meter.evals.min())
    with np.errstate(all="ignore"):
        held = attempt(estimator, PROBLEM, X0, setting, allowance=allowance)
    assert held.estimate is not None
    assert not np.isfinite(held.estimate.grad_theta).all(axis=1).any()
    # Fixed steps go on to their end; adaptive ones shorten the step, or the window, and give up.
    assert (held.meter.evals <= np.maximum(free.meter.evals, 3 * allowance)).all()


@pytest.mark.parametrize("name", SETTINGS)
def test_an_allowance_that_suffices_changes_nothing(name: str) -> None:
    estimator, setting = ESTIMATORS[name], SETTINGS[name]
    free = attempt(estimator, PROBLEM, X0, setting)
    held = attempt(estimator, PROBLEM, X0, setting, allowance=float(free.meter.evals.max()))
    assert free.estimate is not None
    assert held.estimate is not None
    np.testing.assert_array_equal(held.estimate.gradient, free.estimate.gradient)
    np.testing.assert_array_equal(held.meter.evals, free.meter.evals)
    assert held.meter.batches == free.meter.batches  # with an allowance, calls are as long


def test_the_others_go_on() -> None:
    """Truth: the counts without an allowance, of which some are above it."""
    free = attempt(ESTIMATORS["ctpg"], PROBLEM, X0, 1e-6).meter.evals
    allowance = float(np.median(free))
    held = attempt(ESTIMATORS["ctpg"], PROBLEM, X0, 1e-6, allowance=allowance)
    assert free.min() <= allowance < free.max()
    assert held.estimate is not None
    lost = ~np.isfinite(held.estimate.grad_theta).all(axis=1)
    np.testing.assert_array_equal(lost, free > allowance)
