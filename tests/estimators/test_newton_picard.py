"""Newton's method over many windows at once, against one window after the other."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.bench.run.meter import metered
from gradpareto.estimators.collocation import Collocation
from gradpareto.estimators.newton_picard import NewtonPicard
from gradpareto.estimators.solvers.implicit.tableaus import gauss
from gradpareto.systems import TASKS

PRESETS = [("quadrotor", "initial"), ("differential_drive", "initial"), ("electric", "initial")]


@pytest.mark.parametrize("stages", [3, 6])
@pytest.mark.parametrize("preset", PRESETS)
def test_it_solves_the_equations_of_gauss_legendre_steps(
    preset: tuple[str, str], stages: int, short: Callable
) -> None:
    """Truth: `Collocation` with as many stages, which takes one step after the other.

    Both stop at corrections of 64 last places, each of which moves all later steps.
    """
    problem, x0 = short(preset, 1.0).sample(np.random.default_rng(3), 3)
    step = problem.horizon / 9
    found = NewtonPicard(stages=stages, chunk=4)(problem, x0, step)
    truth = Collocation(gauss, stages=stages)(problem, x0, step)
    size = np.linalg.norm(truth.gradient, axis=1)
    assert (np.linalg.norm(found.gradient - truth.gradient, axis=1) < 1e-11 * size).all()
    np.testing.assert_allclose(found.loss, truth.loss, rtol=1e-12)
    np.testing.assert_array_equal(found.steps, truth.steps)


def test_calls_are_few_and_do_not_grow_with_the_windows() -> None:
    """A step-by-step method makes calls in proportion to its steps."""
    problem, x0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(3), 2)
    for windows in (8, 32):
        meter = metered(problem, 2)
        NewtonPicard()(meter, x0, problem.horizon / windows)
        assert sum(meter.meter.batches.values()) == 8


def test_windows_that_are_too_many_at_once_are_cut_in_half(short: Callable) -> None:
    """Truth: fewer windows together. A constant is no guess for many times of Lorenz's system."""
    problem, x0 = short(("lorenz", "initial"), 4.0).sample(np.random.default_rng(3), 1)
    step = problem.horizon / 32
    with np.errstate(all="ignore"):
        few, many = (NewtonPicard(chunk=chunk)(problem, x0, step) for chunk in (1, 32))
    assert not few.failed
    np.testing.assert_allclose(many.gradient, few.gradient, rtol=1e-8)


def test_a_lane_that_newton_gives_up_leaves_the_others_alone() -> None:
    problem = TASKS["lqr"].problem("perturbed")
    x0 = np.array([[1.0, 2.0], [np.inf, 1.0]])
    with np.errstate(all="ignore"):
        both = NewtonPicard()(problem, x0, 0.5)
    assert list(both.failed) == [1]
    assert np.isnan(both.gradient[1]).all()
    np.testing.assert_allclose(both.gradient[:1], NewtonPicard()(problem, x0[:1], 0.5).gradient)


def test_windows_that_are_too_stiff_fail_in_bounded_time() -> None:
    """Picard's iteration diverges over windows of 500 fast time scales."""
    problem, x0 = TASKS["stiff"].problem("initial").sample(np.random.default_rng(3), 2)
    meter = metered(problem, 2)
    with np.errstate(all="ignore"):
        found = NewtonPicard()(meter, x0, problem.horizon / 20)
    assert sorted(found.failed) == [0, 1]
    assert np.isnan(found.gradient).all()
    assert meter.meter.evals.max() < 20_000
