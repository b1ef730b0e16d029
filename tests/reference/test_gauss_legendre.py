"""Collocation: its order, its exact adjoint, its refusal."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gradpareto.reference import NotSolved
from gradpareto.reference.closed_form import closed_form
from gradpareto.reference.gauss_legendre import _Iteration, gauss_legendre
from gradpareto.reference.quadrature import butcher, gauss
from gradpareto.reference.simplified_newton import SimplifiedNewton, jacobian
from gradpareto.systems import LQR, TASKS, Array, Policy, Problem
from gradpareto.systems.heat import Heat


def equal(problem: Problem, steps: int) -> list[Array]:
    """Meshes of equal steps."""
    return [np.linspace(a, b, steps + 1) for a, b in pairwise(problem.segments)]


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_order_is_twice_the_stages(small_lqr: tuple[Problem, Array], stages: int) -> None:
    problem, x0 = small_lqr
    truth = closed_form(problem, x0).gradient
    errors = [
        np.linalg.norm(gauss_legendre(problem, x0, equal(problem, steps), stages).gradient - truth)
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
        return gauss_legendre(moved, x0 + e * v_x0, equal(problem, 4), stages=2).loss

    solution = gauss_legendre(problem, x0, equal(problem, 4), stages=2)
    derivative = (solution.grad_x0 * v_x0).sum(axis=1) + solution.grad_theta @ v_theta
    assert derivative == pytest.approx((loss(step) - loss(-step)) / (2 * step), rel=1e-7)
    fine = gauss_legendre(problem, x0, equal(problem, 64))
    true = (fine.grad_x0 * v_x0).sum(axis=1) + fine.grad_theta @ v_theta
    assert derivative != pytest.approx(true, rel=1e-4)


def test_too_long_a_step_is_refused() -> None:
    problem = TASKS["quadrotor"].problem("initial")
    x0 = problem.system.sample_x0(np.random.default_rng(5), 2)
    with pytest.raises(NotSolved, match="t = 0"):
        gauss_legendre(problem.with_theta(30 * problem.theta), x0, equal(problem, 1))


def test_newton_finds_what_the_fixed_point_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: fixed-point iteration, on steps where it converges; Newton is made to come first."""
    problem = TASKS["quadrotor"].problem("initial")
    problem = replace(problem, horizon=2.0)
    x0 = problem.system.sample_x0(np.random.default_rng(5), 2)
    meshes, tried = equal(problem, 48), []
    plain = gauss_legendre(problem, x0, meshes)
    iterate = _Iteration._iterate

    def only_newton(self: _Iteration, *args: Any) -> Any:
        tried.append(self.newton is not None)
        return iterate(self, *args) if self.newton else (None, np.zeros(1, int))

    monkeypatch.setattr(_Iteration, "_iterate", only_newton)
    newton = gauss_legendre(problem, x0, meshes)
    assert tried.count(True) >= 2 * 48
    norm = np.linalg.norm(plain.gradient, axis=1)
    assert (np.linalg.norm(newton.gradient - plain.gradient, axis=1) <= 1e-14 * norm).all()


@pytest.mark.parametrize("stages", [3, 8])
def test_newton_inverts_its_matrix(stages: int) -> None:
    """Truth: the residual, against the Kronecker product itself; an odd and an even count."""
    rng = np.random.default_rng(4)
    J, h = rng.standard_normal((2, 4, 4)), np.array([0.3, 20.0])
    residual = rng.standard_normal((stages, 2, 4))
    found = SimplifiedNewton(butcher(stages), J)(residual, h)
    for lane in range(2):
        matrix = np.eye(4 * stages) - h[lane] * np.kron(butcher(stages), J[lane])
        product = (matrix @ found[:, lane].ravel()).reshape(stages, 4)
        assert product == pytest.approx(residual[:, lane], abs=1e-9)


def test_jacobian_from_pullbacks() -> None:
    """Truth: complex step of the closed loop."""
    problem = TASKS["quadrotor"].problem("initial")
    x = problem.system.sample_x0(np.random.default_rng(1), 3)
    found = jacobian(problem, np.zeros(3), x)
    for column in range(12):
        moved = x.astype(complex)
        moved[:, column] += 1e-30j
        truth = problem.flow(np.arange(3), np.zeros(3), moved)[0].imag / 1e-30
        assert found[:, :, column] == pytest.approx(truth, abs=1e-13)


def test_steps_far_longer_than_the_fast_time_scale() -> None:
    """Truth: the closed form of a linear system with rates 1 and 1e4, started on its slow manifold.

    A step of 1/32 is 300 fast time constants: no fixed point, explicit or implicit, converges.
    """
    A = np.array([[-1.0, 1.0], [0.0, -1e4]])
    B, eye = np.array([[1.0], [0.0]]), np.eye(2)
    system = LQR(A, B, np.diag([1.0, 0.0]), np.eye(1), 0 * eye, horizon=1.0)
    problem = Problem(system, Policy((2, 1), ("identity",)), np.array([-0.5, 0.0, 0.2]), 1.0)
    x0 = np.array([[1.0, 0.0], [-2.0, 0.0]])
    truth, found = closed_form(problem, x0), gauss_legendre(problem, x0, equal(problem, 32))
    # The costate of the fast state has a layer at T, which equal steps do not resolve.
    for part in ("loss", "grad_theta"):
        assert getattr(found, part) == pytest.approx(getattr(truth, part), rel=1e-6)


def test_lanes_have_meshes_of_their_own(small_lqr: tuple[Problem, Array]) -> None:
    """Truth: each lane alone, on the same graded mesh; one of the steps is of no length."""
    problem, x0 = small_lqr
    graded = 2 * np.linspace(0, 1, 13) ** np.array([[1], [2]])
    graded[1, 5] = graded[1, 4]
    together = gauss_legendre(problem, x0, [graded]).gradient
    truth = closed_form(problem, x0).gradient
    for lane in range(2):
        alone = gauss_legendre(problem, x0[lane : lane + 1], [graded[lane]]).gradient[0]
        assert together[lane] == pytest.approx(alone, rel=1e-14)
        assert together[lane] == pytest.approx(truth[lane], rel=1e-13)


def test_heat_against_the_closed_form_of_its_matrices() -> None:
    """Truth: the same rod as a linear-quadratic problem, 1 a state beside it for the target."""
    system, policy = Heat(points=8), Policy((4, 2), ("identity",))
    theta = 0.5 * np.random.default_rng(0).standard_normal(policy.size)
    problem = Problem(system, policy, theta, 1.0)
    x0 = system.sample_x0(np.random.default_rng(1), 3)
    zero, none = np.zeros(8), np.zeros((8, 2))
    diffusion = system.flow(zero, np.eye(8), none)[0].T
    sensors = system.observe(zero, np.eye(8)).T
    target = np.sin(np.pi * np.arange(1, 9) / 9)
    A, Q = np.zeros((2, 9, 9))
    A[:8, :8] = diffusion
    B = np.zeros((9, 2))
    B[[0, 7], [0, 1]] = 0.05 * 81
    root = np.column_stack([np.eye(8), -target])
    Q = root.T @ root / 9
    lqr = LQR(A, B, 0.5 * (Q + Q.T), 0.01 * np.eye(2), 0 * A, horizon=1.0)
    weight, bias = policy.layers(theta)[0]
    full = Policy((9, 2), ("identity",))
    gains = np.column_stack([weight @ sensors, np.zeros(2)])
    same = Problem(lqr, full, np.concatenate([gains.ravel(), bias]), 1.0)
    truth = closed_form(same, np.column_stack([x0, np.ones(3)]))
    found = gauss_legendre(problem, x0, equal(problem, 32))
    assert found.loss == pytest.approx(truth.loss, rel=1e-13)
    assert found.grad_x0 == pytest.approx(truth.grad_x0[:, :8], rel=1e-12, abs=1e-15)
    for lane, row in enumerate(truth.grad_theta):
        by_gain, by_bias = full.layers(row)[0]
        expected = np.concatenate([(by_gain[:, :8] @ sensors.T).ravel(), by_bias])
        assert found.grad_theta[lane] == pytest.approx(expected, rel=1e-12, abs=1e-15)
