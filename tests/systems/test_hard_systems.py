"""The stiff, the chaotic and the diffusive system have the property they are there for."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gradpareto.systems import TASKS, Array, Policy, Problem
from gradpareto.systems.heat import Heat
from gradpareto.systems.lorenz import Lorenz


def jacobian(problem: Problem, x: Array) -> Array:
    """The Jacobian of the closed loop at one state x, by complex step."""
    d = len(x)
    moved = x + 1e-30j * np.eye(d)
    return problem.flow(np.zeros(d, dtype=int), np.zeros(d), moved)[0].imag.T / 1e-30


def test_stiff_has_two_time_scales_that_far_apart() -> None:
    """Truth: eigenvalues; the slow ones of the order of 1, the fast one at the rate."""
    problem = TASKS["stiff"].problem("initial")
    for x in problem.system.sample_x0(np.random.default_rng(0), 8):
        slow, other, fast = sorted(np.abs(np.linalg.eigvals(jacobian(problem, x))))
        assert 0.1 < slow <= other < 10
        assert fast == pytest.approx(1e4, rel=1e-2)


def test_lorenz_parts_neighbours_a_millionfold() -> None:
    """Truth: the tangent flow, solved here: the norm of dx(T)/dx0, by complex step."""
    problem = TASKS["lorenz"].problem("initial")
    x0 = problem.system.sample_x0(np.random.default_rng(0), 8)
    lane = np.repeat(np.arange(8), 3)

    def slope(t: float, y: Array) -> Array:
        x, tangents = y[:24].reshape(8, 3), y[24:].reshape(24, 3)
        moved = problem.flow(lane, np.full(24, t), x[lane] + 1e-30j * tangents)[0]
        return np.concatenate([moved.real[::3].ravel(), moved.imag.ravel() / 1e-30])

    start = np.concatenate([x0.ravel(), np.tile(np.eye(3), (8, 1)).ravel()])
    end = solve_ivp(slope, (0, problem.horizon), start, "DOP853", rtol=1e-8).y[24:, -1]
    growth = np.linalg.norm(end.reshape(8, 3, 3), 2, axis=(1, 2))
    assert np.median(growth) > 1e6
    assert growth.min() > 1e4


def test_lorenz_control_is_bounded_and_its_starts_are_on_the_attractor() -> None:
    """Truth: the push itself, at any parameters; Lorenz's trapping ellipsoid, and both wings."""
    task = TASKS["lorenz"]
    x0 = task.system.sample_x0(np.random.default_rng(0), 64)
    lane, t = np.arange(64), np.zeros(64)
    wild = Problem(task.system, task.policy, np.full(task.policy.size, 7.0), 1.0)
    calm = wild.with_theta(0 * wild.theta)
    push = wild.flow(lane, t, x0)[0] - calm.flow(lane, t, x0)[0]
    assert (np.abs(push[:, 1]) <= Lorenz.strength + 1e-12).all()
    assert not push[:, [0, 2]].any()
    x, y, z = x0.T
    assert (28 * x * x + 10 * y * y + 10 * (z - 56) ** 2 <= 10 * 56**2).all()
    assert (x > 3).any()
    assert (x < -3).any()


def test_heat_decays_as_the_discrete_sines_do() -> None:
    """Truth: sin(k pi z) is an eigenvector of central differences, with their known eigenvalue."""
    for points in (8, 33):
        system = Heat(points=points)
        z = np.arange(1, points + 1) / (points + 1)
        for k in (1, 2, points):
            x = np.sin(k * np.pi * z)[None]
            rate = 4 * 0.05 * (points + 1) ** 2 * np.sin(k * np.pi / (2 * points + 2)) ** 2
            slope = system.flow(np.zeros(1), x, np.zeros((1, 2)))[0]
            np.testing.assert_allclose(slope, -rate * x, atol=1e-11 * rate)


def test_heat_is_one_problem_on_every_mesh() -> None:
    """Truth: the same x0 at the same place, and one limit of what the sensors see, in h^2."""
    fine, coarse = Heat(points=511), Heat(points=63)
    one, other = (system.sample_x0(np.random.default_rng(3), 4) for system in (fine, coarse))
    np.testing.assert_allclose(one[:, 7::8], other, atol=1e-13)
    t = np.zeros(4)
    seen = [
        s.observe(t, s.sample_x0(np.random.default_rng(3), 4)) for s in (Heat(31), coarse, fine)
    ]
    misses = [np.abs(each - seen[2]).max() for each in seen[:2]]
    assert misses[1] < 4e-3
    assert misses[1] < 0.5 * misses[0]


def test_heat_holds_a_linear_profile() -> None:
    """Truth: a straight line between the ends is at rest, and the sensors read it exactly."""
    system = Heat(points=20)
    z = np.arange(1, 21) / 21
    ends = np.array([[2.0, -1.0]])
    line = 2.0 - 3.0 * z[None]
    slope = system.flow(np.zeros(1), line, ends)[0]
    np.testing.assert_allclose(slope, 0, atol=1e-11)
    expected = [[1.4, 0.8, 0.2, -0.4]]
    np.testing.assert_allclose(system.observe(np.zeros(1), line), expected, atol=1e-14)


def test_heat_costs_in_proportion_to_its_points() -> None:
    """Truth: the policy's size is that of the sensors; nothing held is as large as a matrix."""
    problem = TASKS["heat"].problem("initial")
    large = replace(problem, system=Heat(points=512))
    assert isinstance(large.policy, Policy)
    assert large.policy.size < 150
    x = large.system.sample_x0(np.random.default_rng(0), 2)
    assert large.flow(np.arange(2), np.zeros(2), x)[0].shape == (2, 512)


@pytest.mark.parametrize("points", [7, 513, -1])
def test_heat_refuses_other_sizes(points: int) -> None:
    with pytest.raises(ValueError, match=f"8 to 512 points, not {points}"):
        Heat(points=points)
