"""The LQR closed form against a truth of 80 digits that knows no adjoint."""

from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

from gradpareto.reference.closed_form import closed_form
from gradpareto.reference.continuous import continuous
from gradpareto.reference.gauss_legendre import gauss_legendre
from gradpareto.systems import LQR, TASKS, Policy, Problem


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float((np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)).max())


def cost_to_go(system: LQR, horizon: float, theta: list) -> "mp.matrix":
    """P(0) of the augmented state by one Van Loan exponential over the whole horizon."""
    n, k = system.B.shape
    gain = mp.matrix(k, n + 1)
    for i in range(k):
        for j in range(n):
            gain[i, j] = theta[i * n + j]
        gain[i, n] = theta[k * n + i]
    M, S, S_T = mp.zeros(n + 1), mp.zeros(n + 1), mp.zeros(n + 1)
    BK = mp.matrix(system.B.tolist()) * gain
    for i in range(n):
        for j in range(n + 1):
            M[i, j] = BK[i, j] + (system.A[i, j] if j < n else 0)
            if j < n:
                S[i, j], S_T[i, j] = system.Q[i, j], system.Q_T[i, j]
    S += gain.T * mp.matrix(system.R.tolist()) * gain
    block = mp.zeros(2 * n + 2)
    block[: n + 1, : n + 1], block[: n + 1, n + 1 :], block[n + 1 :, n + 1 :] = -M.T, S, M
    block = mp.expm(block * horizon)
    E = block[n + 1 :, n + 1 :]
    return E.T * block[: n + 1, n + 1 :] + E.T * S_T * E


def central(f: Callable[[list], "mp.mpf"], at: list, index: int) -> "mp.mpf":
    step = mp.mpf(10) ** -25
    up, down = list(at), list(at)
    up[index] += step
    down[index] -= step
    return (f(up) - f(down)) / (2 * step)


def test_against_high_precision(four_by_two: Problem) -> None:
    problem, n = four_by_two, 4
    x0 = np.random.default_rng(1).standard_normal((1, n))
    with mp.workdps(80):
        theta = [mp.mpf(v) for v in problem.theta.tolist()]
        start = [mp.mpf(v) for v in x0[0].tolist()]

        def loss(x0: list, P: "mp.matrix") -> "mp.mpf":
            z = mp.matrix([*x0, mp.mpf(1)])
            return (z.T * P * z)[0]

        P = cost_to_go(problem.system, problem.horizon, theta)
        true_loss = float(loss(start, P))
        of_x0 = [float(central(lambda x: loss(x, P), start, i)) for i in range(n)]
        of_theta = [
            float(
                central(
                    lambda th: loss(start, cost_to_go(problem.system, problem.horizon, th)),
                    theta,
                    i,
                )
            )
            for i in range(problem.policy.size)
        ]
    solution = closed_form(problem, x0)
    assert solution.loss[0] == pytest.approx(true_loss, rel=1e-13)
    assert relative(solution.grad_x0, np.array([of_x0])) < 1e-13
    assert relative(solution.grad_theta, np.array([of_theta])) < 1e-13


def test_three_methods_agree(four_by_two: Problem) -> None:
    x0 = four_by_two.system.sample_x0(np.random.default_rng(2), 2)
    truth = closed_form(four_by_two, x0)
    for solution in (
        gauss_legendre(four_by_two, x0, [np.linspace(0, four_by_two.horizon, 64 + 1)]),
        continuous(four_by_two, x0)[0],
    ):
        assert relative(solution.gradient, truth.gradient) < 1e-13
        assert solution.loss == pytest.approx(truth.loss, rel=1e-13)


@pytest.mark.parametrize("cost", [1e-6, 1e6])
def test_stiff_closed_loop(cost: float) -> None:
    """A fast mode of -200 beside a slow one, and costs far from the states in size."""
    system = LQR(
        A=np.array([[-1.0, 2.0], [0.0, 0.5]]),
        B=np.array([[0.0], [1.0]]),
        Q=cost * np.eye(2),
        R=cost * np.eye(1),
        Q_T=cost * np.diag([0.0, 3.0]),
        horizon=3.0,
    )
    problem = Problem(system, Policy((2, 1), ("identity",)), np.array([0.3, -200.0, 5.0]), 3.0)
    x0 = np.array([[1.0, -2.0], [0.1, 3.0]])
    truth, checked = (
        closed_form(problem, x0),
        gauss_legendre(problem, x0, [np.linspace(0, problem.horizon, 1024 + 1)]),
    )
    assert relative(truth.gradient, checked.gradient) < 1e-13


def test_refuses_other_problems() -> None:
    problem = TASKS["quadrotor"].problem("initial")
    with pytest.raises(ValueError, match="linear policy"):
        closed_form(problem, np.zeros((1, 12)))
