"""A sample's estimate does not depend on which others are in its batch."""

from collections.abc import Callable

import numpy as np

from gradpareto.bench.run.meter import metered
from gradpareto.estimators import ESTIMATORS, Estimator
from tests.estimators.presets import on_presets

DIFFICULTY = np.array([[1e-3], [2.0], [0.5]])
"""Initial states scaled so: at rest next to far away, so that adaptive steps differ by much."""
TOLERANCE = 1e-4
"""Rounding is below the smallest error that the step control tells apart, 1e-10 of this. On tighter
ones a pair of high order grows its first steps by what rounding leaves of its estimate."""
SAME_MESH = np.finfo(float).eps / TOLERANCE / 1e-10 * 0.7 / 5
"""The share of itself that rounding may move a step by, through the smallest error estimates. Where
the steps control the gradient's error, that does not show; a poor interpolant's error is as large a
share of itself off."""


def largest_difference(estimator: Estimator, setting: float) -> float:
    """The relative difference that rounding may make to a lane whose batch is another."""
    exponent = estimator.declares.tolerance_exponent
    return 1e-9 if exponent == 1 else SAME_MESH * setting**exponent


@on_presets("name", ESTIMATORS)
def test_a_lane_alone_is_the_lane_in_the_batch(
    estimator: Estimator, preset: tuple[str, str], short: Callable
) -> None:
    """Truth: the estimator itself on one sample at a time; counts and steps to the last one.

    Where the size of the batch decides the method, it is a batch of copies of the sample.
    """
    problem = short(preset, 0.6, estimator)
    problem, x0 = problem.sample(np.random.default_rng(8), len(DIFFICULTY))
    x0 = DIFFICULTY * x0
    settings = {"step": problem.horizon / 7, "tolerance": TOLERANCE, "rollouts": 4}
    setting = settings[estimator.declares.knob]
    bound = largest_difference(estimator, setting)
    batch = metered(problem, len(x0))
    together = estimator(batch, x0, setting)
    copies = len(x0) if estimator.declares.batch_decides else 1
    for k in range(len(x0)):
        own = np.full(copies, k)
        single = metered(problem.take(own), copies)
        alone = estimator(single, x0[own], setting)
        assert alone.steps[0] == together.steps[k]
        assert single.meter.f_evals[0] == batch.meter.f_evals[k]
        assert single.meter.vjp_evals[0] == batch.meter.vjp_evals[k]
        for part in ("loss", "grad_x0", "grad_theta"):
            one, same = getattr(alone, part)[0], getattr(together, part)[k]
            assert np.linalg.norm(one - same) <= bound * np.linalg.norm(one), part


def test_the_batch_of_lanes_is_as_uneven_as_it_is_meant_to_be(short: Callable) -> None:
    """Otherwise the test above would hold with one step for all lanes."""
    problem = short(("lqr", "perturbed"), 1.0)
    x0 = DIFFICULTY * np.array([0.4, 0.3])
    steps = ESTIMATORS["ctpg"](problem, x0, TOLERANCE).steps
    assert len(set(steps.tolist())) > 1


def test_x0_and_theta_are_left_alone(estimator: Estimator, short: Callable) -> None:
    """An estimator may not write into what it is given."""
    problem = short(("lqr", "perturbed"), 1.0)
    problem, x0 = problem.sample(np.random.default_rng(8), 2)
    before, theta = x0.copy(), problem.theta.copy()
    estimator(problem, x0, {"step": 0.1, "tolerance": 1e-4, "rollouts": 4}[estimator.declares.knob])
    np.testing.assert_array_equal(x0, before)
    np.testing.assert_array_equal(problem.theta, theta)
