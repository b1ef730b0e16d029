"""The quadrature limit against every mesh there is, where the integrand is known."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from gradpareto.reference import limit as limit_module
from gradpareto.reference.continuous import continuous, trajectories
from gradpareto.reference.limit import MAX_VJPS, quadrature_limit
from gradpareto.reference.quadrature import gauss
from gradpareto.systems import LQR, TASKS, Array, Policy, Problem

T, RATE, X0 = 3.0, 4.0, 1.5


@pytest.fixture
def scalar() -> Problem:
    """x' = -4 x + u, w = x^2, u = 0: x = x0 exp(-4t), alpha = x0 (exp(-4t) - exp(4t - 8T)) / 4."""
    one = np.ones((1, 1))
    system = LQR(A=-RATE * one, B=one, Q=one, R=0 * one, Q_T=0 * one, horizon=T)
    return Problem(system, Policy((1, 1), ("identity",)), np.zeros(2), T)


def integrand(t: Array) -> Array:
    """alpha (x, 1), the integrand of dL/d(W, b), (R, 2)."""
    x = X0 * np.exp(-RATE * t)
    alpha = X0 * (np.exp(-RATE * t) - np.exp(RATE * (t - 2 * T))) / RATE
    return alpha[:, None] * np.column_stack([x, np.ones_like(x)])


def rule(a: float, b: float, nodes: int) -> Array:
    if nodes == 0:
        return np.zeros(2)
    c, w = gauss(nodes)
    return (b - a) * (w @ integrand(a + (b - a) * c))


def meshes(a: float, b: float, nodes: int, depth: int) -> Iterator[Array]:
    """The integrals by every mesh of exactly that many nodes."""
    yield rule(a, b, nodes)
    if depth:
        middle = 0.5 * (a + b)
        for left in range(nodes + 1):
            for one in meshes(a, middle, left, depth - 1):
                for other in meshes(middle, b, nodes - left, depth - 1):
                    yield one + other


def test_every_point_is_an_actual_mesh(scalar: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_module, "LEAST_DEPTH", 2)
    monkeypatch.setattr(limit_module, "MOST_DEPTH", 2)
    curve = quadrature_limit(trajectories(scalar, np.array([[X0]]))).abs_error[0]
    exact = sum(rule(a, b, 20) for a, b in pairwise(np.linspace(0, T, 17)))
    reached: list[float] = []
    for k in range(5):
        reached += [float(np.linalg.norm(m - exact)) for m in meshes(0, T, k, 2)]
        if k:
            assert np.abs(np.array(reached) / curve[k - 1] - 1).min() < 1e-9
            assert curve[k - 1] <= 3 * min(reached)


def test_no_uniform_rule_does_better(scalar: Problem) -> None:
    limit = quadrature_limit(trajectories(scalar, np.array([[X0]])))
    curve = limit.abs_error[0]
    assert list(limit.vjps) == list(range(1, MAX_VJPS + 1))
    assert (np.diff(curve) <= 0).all()
    exact = sum(rule(a, b, 20) for a, b in pairwise(np.linspace(0, T, 17)))
    for leaves in (1, 2, 4, 8):
        edges = np.linspace(0, T, leaves + 1)
        for nodes in range(1, 17):
            uniform = sum(rule(a, b, nodes) for a, b in pairwise(edges))
            error = np.linalg.norm(uniform - exact)
            assert curve[leaves * nodes - 1] <= 1.0001 * error + 1e-15
    # And a graded mesh is worth its while on a transient.
    uniform = sum(rule(a, b, 4) for a, b in pairwise(np.linspace(0, T, 5)))
    assert curve[15] < 0.02 * np.linalg.norm(uniform - exact)


def test_breakpoints_are_roots(switched: Problem) -> None:
    """A rule across the jump would need far more nodes."""
    limit = quadrature_limit(trajectories(switched, np.array([[1.0]])))
    assert limit.abs_error[0, 19] < 1e-11


def test_quadrotor_needs_about_a_hundred() -> None:
    """Six draws of theta gave medians of 67 to 88 for 1e-6, and 104 to 138 for 1e-9."""
    problem = TASKS["quadrotor"].problem("initial")
    problem, x0 = problem.sample(np.random.default_rng(0), 1)
    solution, paths = continuous(problem, x0)
    curve = quadrature_limit(paths).abs_error[0] / np.linalg.norm(solution.gradient)
    assert 60 < 1 + (curve > 1e-6).sum() < 120
    assert 90 < 1 + (curve > 1e-9).sum() < 180
