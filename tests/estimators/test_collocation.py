"""Implicit collocation: its rules, and its gradient against the derivative of its own equations."""

from math import comb

import numpy as np
import pytest

from gradpareto.estimators.collocation import Collocation
from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau, Family, gauss, radau
from gradpareto.systems import TASKS, Array, Problem

FAMILIES = pytest.mark.parametrize("family", [gauss, radau])


@FAMILIES
@pytest.mark.parametrize("stages", [1, 2, 3, 5, 40])
def test_a_rule_integrates_what_its_order_says(family: Family, stages: int) -> None:
    """Truth: integrals of (1 - c)^k, exact for k < order and for k = order not."""
    rule = family(stages)
    missed = [abs(rule.b @ (1 - rule.c) ** k - 1 / (k + 1)) for k in range(rule.order + 1)]
    assert max(missed[:-1]) < 1e-14
    if stages <= 5:
        assert missed[-1] > 0.5 / ((rule.order + 1) * comb(rule.order, stages) ** 2)


@FAMILIES
@pytest.mark.parametrize("stages", [2, 3, 40])
def test_stages_integrate_polynomials_of_their_degree(family: Family, stages: int) -> None:
    """Truth: closed form of the integral from 0 of c^k, k < s, at the nodes and beyond."""
    rule, at = family(stages), np.array([0.3, 1.0, 1.7])
    for k in range(min(stages, 6)):
        np.testing.assert_allclose(rule.a @ rule.c**k, rule.c ** (k + 1) / (k + 1), atol=1e-14)
        if stages < 40:
            np.testing.assert_allclose(rule.values(at) @ rule.c**k, at**k, rtol=1e-12)
            whole = rule.integrals(at) @ rule.c**k
            np.testing.assert_allclose(whole, at ** (k + 1) / (k + 1), rtol=1e-12)


def test_tables_of_the_literature() -> None:
    """Truth: Hairer and Wanner, tables IV.5.2 and IV.5.6."""
    third, root = np.sqrt(3) / 6, np.sqrt(6)
    np.testing.assert_allclose(gauss(2).a, [[0.25, 0.25 - third], [0.25 + third, 0.25]], atol=1e-15)
    first = [(88 - 7 * root) / 360, (296 - 169 * root) / 1800, (-2 + 3 * root) / 225]
    np.testing.assert_allclose(radau(3).a[0], first, atol=1e-15)


def loss(problem: Problem, rule: CollocationTableau, steps: int, x: Array) -> complex:
    """The discretised loss of one lane (d,), by full Newton in complex arithmetic."""
    h, eye, total = problem.horizon / steps, np.eye(len(rule.c) * len(x)), 0.0
    lane = np.zeros(len(rule.c), int)
    for n in range(steps):
        t, z = (n + rule.c) * h, np.tile(x, (len(rule.c), 1))
        for _ in range(9):
            blocks, _ = problem.jacobian(lane, t, z)
            matrix = eye - np.einsum("ki,ipq->kpiq", h * rule.a, blocks).reshape(eye.shape)
            miss = x + h * rule.a @ problem.flow(lane, t, z)[0] - z
            z = z + np.linalg.solve(matrix, miss.ravel()).reshape(z.shape)
        slopes, costs = problem.flow(lane, t, z)
        x, total = x + h * rule.b @ slopes, total + h * rule.b @ costs
    return complex(total + problem.terminal(x[None])[0])


OWN = {
    "gauss-2": (Collocation(gauss, stages=2), gauss(2), 3),
    "radau-3": (Collocation(radau, stages=3), radau(3), 2),
    "spectral": (Collocation(gauss), gauss(13), 1),
    "segments": (Collocation(gauss, pieces=2), gauss(5), 2),
}


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("preset", [("quadrotor", "trained"), ("stiff", "initial")])
def test_gradient_is_that_of_the_discretised_loss(kind: str, preset: tuple[str, str]) -> None:
    """Truth: complex step through another solve of the same equations, on a coarse mesh."""
    whole = TASKS[preset[0]].problem(preset[1])
    problem = Problem(whole.system, whole.policy, whole.theta, 0.4)
    x0 = problem.system.sample_x0(np.random.default_rng(3), 1)
    estimator, rule, steps = OWN[kind]
    setting = 0.4 / steps if estimator.stages else 0.4 / steps / len(rule.c)
    found = estimator(problem, x0, setting)
    rng, tiny = np.random.default_rng(5), 1e-40
    assert found.loss[0] == pytest.approx(loss(problem, rule, steps, x0[0]).real, rel=1e-12)
    for _ in range(3):
        dx, dtheta = rng.standard_normal(x0.shape[1]), rng.standard_normal(len(whole.theta))
        moved = problem.with_theta(problem.theta + 1j * tiny * dtheta)
        truth = loss(moved, rule, steps, x0[0] + 1j * tiny * dx).imag / tiny
        size = np.linalg.norm(found.gradient)
        assert abs(found.grad_x0[0] @ dx + found.grad_theta[0] @ dtheta - truth) < 1e-12 * size


def test_steps_may_be_far_longer_than_the_fast_time_scale() -> None:
    """Truth: a finer mesh. 20 steps of 500 time scales each, where RK4 is stable below 2.8."""
    problem, x0 = TASKS["stiff"].problem("initial").sample(np.random.default_rng(0), 2)
    estimator = Collocation(radau, stages=3)
    coarse, fine = (estimator(problem, x0, problem.horizon / n).gradient for n in (20, 320))
    assert problem.horizon / 20 * problem.system.rate >= 500
    assert (np.linalg.norm(coarse - fine, axis=1) < 1e-7 * np.linalg.norm(fine, axis=1)).all()


def test_a_lane_that_newton_gives_up_leaves_the_others_alone() -> None:
    problem = TASKS["lqr"].problem("perturbed")
    x0 = np.array([[1.0, 2.0], [1e200, 1.0]]) * 1.0
    estimator = Collocation(gauss, stages=2)
    with np.errstate(all="ignore"):
        both = estimator(problem, np.where(x0 > 1e100, np.inf, x0), 0.5)
    assert list(both.failed) == [1]
    assert np.isnan(both.gradient[1]).all()
    np.testing.assert_allclose(both.gradient[:1], estimator(problem, x0[:1], 0.5).gradient)
