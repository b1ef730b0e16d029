"""The electric task: the goal's path, the forces, and the kink of their clamp."""

from math import hypot, nextafter

import numpy as np
import pytest

from gradpareto.systems import TASKS, Array
from gradpareto.systems.electric import ELECTRODES, VELOCITY, Electric

T = 15.36
CHARGES = np.random.default_rng(4).uniform(-1, 1, (1, 8))
STEP = 1e-30  # complex step has no rounding to balance
DIRECTION = np.array([0.6, 0.8])


def electric() -> Electric:
    return Electric(np.full((1, 6), 0.5))


def at(place: Array) -> Array:
    """At rest there, (1, 4)."""
    return np.append(place, [0.0, 0.0])[None]


def acceleration(place: Array, u: Array = CHARGES) -> Array:
    return electric().flow(np.zeros(1), at(place), u)[0][0, VELOCITY]


def jacobian(place: Array) -> Array:
    """d acceleration / d position, a row of it a pullback."""
    rows = [
        electric().pullback(np.zeros(1), at(place), CHARGES, e, np.zeros(1))
        for e in np.eye(4)[2:, None]
    ]
    return np.array([gx[0, :2] for gx, _ in rows])


def test_the_goal_goes_through_its_points_in_straight_lines() -> None:
    """Truth: NumPy's linear interpolation."""
    points = np.random.default_rng(0).random((1, 6))
    t = np.linspace(0, T, 33)
    goal, displacement = Electric(points).goal(t)
    for axis in (0, 1):
        corners = points[0, axis::2]
        np.testing.assert_allclose(goal[:, axis], np.interp(t, [0, T / 2, T], corners), rtol=1e-14)
        expected = np.where(t < T / 2, *np.diff(corners))
        np.testing.assert_allclose(displacement[:, axis], expected)


def test_the_turn_is_a_declared_breakpoint_where_only_the_velocity_jumps() -> None:
    """Truth: at T/2 the goal is at its second point, seen from either side."""
    points = np.array([[0.2, 0.3, 0.7, 0.4, 0.5, 0.8]])
    problem = TASKS["electric"].problem("initial")
    turn = problem.segments[1]
    assert problem.segments == (0.0, T / 2, T)
    either = np.array([nextafter(turn, 0), nextafter(turn, T)])
    goal, displacement = Electric(points).goal(either)
    np.testing.assert_allclose(goal, np.tile(points[:, 2:4], (2, 1)), rtol=1e-14)
    np.testing.assert_allclose(displacement, [[0.5, 0.1], [-0.2, 0.4]])


@pytest.mark.parametrize("place", [(0.5, 0.4), (0.13, 0.85), (-3.0, 7.0)])
def test_charges_repel_by_the_clamped_inverse_square(place: tuple[float, float]) -> None:
    """Truth: the law written out for one electrode after another."""
    expected = np.zeros(2)
    for charge, electrode in zip(CHARGES[0], ELECTRODES, strict=True):
        away = np.array(place) - electrode
        expected += 1e-3 * charge * away / max(hypot(*away), 0.1) ** 3
    np.testing.assert_allclose(acceleration(np.array(place)), expected, rtol=1e-12)
    np.testing.assert_allclose(acceleration(np.array([0.5, 0.5]), np.ones((1, 8))), 0, atol=1e-16)


def test_an_electrode_does_nothing_at_its_own_place() -> None:
    only = np.eye(8)[:1]
    assert not acceleration(ELECTRODES[0], only).any()
    assert (acceleration(ELECTRODES[0] + 0.01, only) > 0).all()


def test_damping_slows_and_nothing_else_acts_on_an_uncharged_particle() -> None:
    x = np.array([[0.3, 0.4, 2.0, -1.0]])
    slope, cost = electric().flow(np.zeros(1), x, np.zeros((1, 8)))
    np.testing.assert_allclose(slope, [[2.0, -1.0, -0.05982035946, 0.02991017973]], rtol=1e-9)
    assert cost == pytest.approx(0.2**2 + 0.1**2)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1 - 1e-9, 1 + 1e-9, 1.5])
def test_jacobian_on_either_side_of_the_clamp(factor: float) -> None:
    """Truth: complex step, from the electrode out to beyond the kink."""
    place = ELECTRODES[4] + 0.1 * factor * DIRECTION
    found = jacobian(place)
    for axis, e in enumerate(np.eye(2)):
        truth = acceleration(place + 1j * STEP * e).imag / STEP
        np.testing.assert_allclose(found[:, axis], truth, rtol=1e-12, atol=1e-14)


def test_across_the_clamp_the_force_is_continuous_and_its_jacobian_jumps() -> None:
    """Truth: K u r / r^3 loses its second term, 3 K u r r' / r^5, going in."""
    near = 1e-9
    inner, outer = (ELECTRODES[4] + 0.1 * side * DIRECTION for side in (1 - near, 1 + near))
    np.testing.assert_allclose(acceleration(inner), acceleration(outer), atol=1e-9)
    lost = 3 * 1e-3 * CHARGES[0, 4] / 0.1**3 * np.outer(DIRECTION, DIRECTION)
    np.testing.assert_allclose(jacobian(inner) - jacobian(outer), lost, rtol=1e-6)


def test_exactly_on_the_clamp_the_derivative_is_that_from_inside() -> None:
    on = np.array([0.2, 0.1])
    assert on[0] - ELECTRODES[0, 0] == 0.1
    np.testing.assert_allclose(jacobian(on), jacobian(on - [1e-9, 0]), rtol=1e-6)


def test_samples_start_at_rest_on_their_first_goal_point() -> None:
    problem, x0 = TASKS["electric"].problem("initial").sample(np.random.default_rng(0), 200)
    assert problem.context is not None
    np.testing.assert_array_equal(problem.context[:, :2], x0[:, :2])
    assert not x0[:, VELOCITY].any()
    assert ((problem.context > 0.2) & (problem.context < 0.8)).all()
    assert (problem.context.std(axis=0) > 0.15).all()  # 0.6 / sqrt(12) = 0.173


def test_a_lane_s_goal_stays_with_it_when_lanes_are_taken() -> None:
    problem, x0 = TASKS["electric"].problem("initial").sample(np.random.default_rng(0), 4)
    lanes, t = np.array([3, 1]), np.full(2, 9.0)
    whole = problem.flow(lanes, t, x0[lanes])
    taken = problem.take(lanes).flow(np.arange(2), t, x0[lanes])
    for got, wanted in zip(taken, whole, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert whole[1][0] != whole[1][1]


@pytest.mark.parametrize("name", [name for name in TASKS if "electric" in name])
def test_single_precision_stays_single(name: str) -> None:
    """Truth: the same rows in float64; times and contexts are."""
    problem, x0 = TASKS[name].problem("initial").sample(np.random.default_rng(0), 3)
    system, t, u = problem.system.within(problem.context), np.full(3, 9.0), np.tile(CHARGES, (3, 1))
    double = x0, u, x0, x0[:, 0]
    single = [part.astype(np.float32) for part in double]

    def everything(x: Array, u: Array, a: Array, c: Array) -> list[Array]:
        return [*system.flow(t, x, u), *system.pullback(t, x, u, a, c), system.observe(t, x)]

    for found, truth in zip(everything(*single), everything(*double), strict=True):
        assert (found.dtype, truth.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-6)


def test_without_a_context_there_is_no_goal() -> None:
    problem = TASKS["electric"].problem("initial")
    assert np.isnan(problem.flow(np.arange(1), np.zeros(1), np.ones((1, 4)))[1]).all()
