"""Collocation: its order, its exact adjoint, its refusal."""

from dataclasses import replace

import numpy as np
import pytest

from reference import NotSolved
from reference.closed_form import closed_form
from reference.collocation import collocation
from reference.quadrature import butcher, gauss
from systems import TASKS, Array, Problem


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_order_is_twice_the_stages(small_lqr: tuple[Problem, Array], stages: int) -> None:
    problem, x0 = small_lqr
    truth = closed_form(problem, x0).gradient
    errors = [
        np.linalg.norm(collocation(problem, x0, steps, stages).gradient - truth)
        for steps in (6, 12)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2 * stages, abs=0.3)


def test_coefficients_satisfy_the_simplifying_conditions() -> None:
    """sum_j a_ij c_j^(k-1) = c_i^k / k for k up to the number of stages."""
    c, A = gauss(8)[0], butcher(8)
    for k in range(1, 9):
        assert A @ c ** (k - 1) == pytest.approx(c**k / k, rel=1e-13)


def test_adjoint_is_that_of_the_discrete_loss() -> None:
    """At two coarse steps, where the discrete gradient is far from the true one."""
    problem = TASKS["differential_drive"].problem("initial")
    problem = replace(problem, theta=10 * problem.theta)
    problem, x0 = problem.sample(np.random.default_rng(5), 2)
    rng, step = np.random.default_rng(6), 1e-5
    v_x0, v_theta = rng.standard_normal(x0.shape), rng.standard_normal(problem.policy.size)
    v_theta /= np.linalg.norm(v_theta)

    def loss(e: float) -> Array:
        moved = problem.with_theta(problem.theta + e * v_theta)
        return collocation(moved, x0 + e * v_x0, 4, stages=2).loss

    solution = collocation(problem, x0, 4, stages=2)
    derivative = (solution.grad_x0 * v_x0).sum(axis=1) + solution.grad_theta @ v_theta
    assert derivative == pytest.approx((loss(step) - loss(-step)) / (2 * step), rel=1e-7)
    fine = collocation(problem, x0, 64)
    true = (fine.grad_x0 * v_x0).sum(axis=1) + fine.grad_theta @ v_theta
    assert derivative != pytest.approx(true, rel=1e-4)


def test_too_long_a_step_is_refused(small_lqr: tuple[Problem, Array]) -> None:
    problem, x0 = small_lqr
    with pytest.raises(NotSolved, match="t = 0"):
        collocation(problem.with_theta(1e4 * problem.theta), x0, 1)
