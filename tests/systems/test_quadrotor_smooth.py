"""The quadrotor with the smooth observation: the dynamics of the other, and a policy that flies."""

import numpy as np

from gradpareto.bench.learning.setups import setup_of
from gradpareto.reference import solve_states
from gradpareto.systems import TASKS
from gradpareto.systems.quadrotor import Quadrotor

SMOOTH, PAPER = TASKS["quadrotor_smooth"].system, TASKS["quadrotor"].system


def test_the_dynamics_and_the_cost_are_the_paper_s() -> None:
    rng = np.random.default_rng(0)
    t, x, u = np.zeros(5), rng.standard_normal((5, 12)), rng.standard_normal((5, 4))
    for ours, theirs in zip(SMOOTH.flow(t, x, u), PAPER.flow(t, x, u), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(
        SMOOTH.sample_x0(np.random.default_rng(1), 4), PAPER.sample_x0(np.random.default_rng(1), 4)
    )


def test_the_observation_is_bounded_where_the_paper_s_has_poles() -> None:
    """Truth: at a right angle the tangent is beyond 1e15; sine and cosine are 1 and 0."""
    x = np.zeros((1, 12))
    x[0, 3:6] = np.pi / 2
    observed = SMOOTH.observe(np.zeros(1), x)
    np.testing.assert_allclose(observed[0, :3], 1)
    np.testing.assert_allclose(observed[0, 3:6], 0, atol=1e-15)
    np.testing.assert_array_equal(observed[0, 6:], x[0])
    assert np.abs(PAPER.observe(np.zeros(1), x)).max() > 1e15


def test_the_trained_policy_flies_to_the_origin() -> None:
    """Every one of the 32 starts on which policies are judged, over the whole T.

    Truth: the states by the reference's solver, at a tolerance and at a hundredth of it.
    """
    task = TASKS["quadrotor_smooth"]
    problem = task.problem("trained")
    assert problem.horizon == task.system.horizon == 5.0
    _, x0 = setup_of("quadrotor_smooth").heldout(problem.theta[None])
    ends = [solve_states(problem, x0, np.array([0.0, 5.0]), tol)[-1] for tol in (1e-6, 1e-8)]
    np.testing.assert_allclose(*ends, atol=1e-5)
    distance = np.linalg.norm(ends[1][:, :3], axis=1)
    assert len(distance) == 32
    assert distance.max() < 0.2


def test_the_paper_s_wrapped_angles_are_modulo_2_pi() -> None:
    """Truth: the remainder. All else stays as it is, and so does the derivative."""
    wrapped, rng = Quadrotor(wrapped=True), np.random.default_rng(2)
    t, x = np.zeros(6), 9 * rng.standard_normal((6, 12))
    seen, raw = wrapped.observe(t, x)[:, 20:], x.copy()
    for turning in (slice(3, 6), slice(9, 12)):
        raw[:, turning] %= 2 * np.pi
    np.testing.assert_allclose(seen, raw, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(wrapped.observe(t, x)[:, :20], Quadrotor().observe(t, x)[:, :20])
    moved = wrapped.observe(t, x + 1e-30j * np.ones_like(x))[:, 20:].imag / 1e-30
    np.testing.assert_allclose(moved, 1)
