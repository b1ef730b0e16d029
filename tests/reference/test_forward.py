"""Losses and states to a stated tolerance, and lanes that cannot be solved."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from gradpareto.reference import certify, solve_gradient, solve_loss, solve_states
from gradpareto.reference.closed_form import closed_form
from gradpareto.systems import TASKS, Array, Policy, Problem, System

TOLERANCES = [1e-3, 1e-6, 1e-9]


@pytest.mark.parametrize("preset", ["optimal", "perturbed"])
@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_a_linear_quadratic_loss_is_the_closed_form_s(preset: str, tolerance: float) -> None:
    """Truth: the matrix exponential, which takes no steps."""
    problem, x0 = TASKS["lqr"].problem(preset).sample(np.random.default_rng(0), 16)
    truth = closed_form(problem, x0).loss
    error = np.abs(solve_loss(problem, x0, tolerance) - truth) / truth
    assert error.max() < tolerance
    assert error.max() > 1e-4 * tolerance  # it stops where it was told to


@pytest.mark.parametrize("name", ["electric", "differential_drive"])
def test_a_nonlinear_loss_is_the_certified_one(name: str) -> None:
    """Truth: collocation; across the electric task's breakpoint, in a context for each lane."""
    problem, x0 = TASKS[name].problem("initial").sample(np.random.default_rng(1), 2)
    np.testing.assert_allclose(
        solve_loss(problem, x0, 1e-8), certify(problem, x0).loss, rtol=1e-7, atol=1e-7
    )


def test_lanes_are_solved_alone() -> None:
    problem, x0 = TASKS["differential_drive"].problem("trained").sample(np.random.default_rng(2), 3)
    together = solve_loss(problem, x0, 1e-6)
    alone = [solve_loss(problem, x0[lane : lane + 1], 1e-6)[0] for lane in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-13)


def test_each_trial_is_solved_at_its_own_parameters() -> None:
    problem, x0 = TASKS["lqr"].problem("optimal").sample(np.random.default_rng(3), 4)
    theta = np.stack([problem.theta, 0.5 * problem.theta])
    both = replace(problem, theta=theta, trial=np.array([0, 1, 1, 0]))
    truth = [closed_form(problem.with_theta(own), x0).loss for own in theta]
    found = solve_loss(both, x0, 1e-9)
    np.testing.assert_allclose(found, np.where([1, 0, 0, 1], *truth), rtol=1e-8)


def test_states_follow_the_closed_form() -> None:
    """Truth: x' = -x under the optimal gain."""
    problem, x0 = TASKS["lqr"].problem("optimal").sample(np.random.default_rng(4), 3)
    times = np.linspace(0, problem.horizon, 11)
    states = solve_states(problem, x0, times, 1e-8)
    np.testing.assert_array_equal(states[0], x0)
    np.testing.assert_allclose(states, np.exp(-times)[:, None, None] * x0, atol=1e-7)


@dataclass(frozen=True)
class Explosion(System):
    """x' = x^2, which is infinite at t = 1 / x(0); w = 1, so that a loss is the time T."""

    horizon: float = 2.0
    state_dim = control_dim = observation_dim = 1

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return x * x + 0 * u, np.ones(len(x))

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 2 * a * x, 0 * a

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return np.ones((samples, 1))


def test_a_lane_that_cannot_be_solved_is_nan_and_the_others_are_solved() -> None:
    policy = Policy((1, 1), ("identity",))
    problem = Problem(Explosion(), policy, np.zeros(policy.size), 2.0)
    x0 = np.array([[1.0], [-1.0], [0.25]])
    np.testing.assert_allclose(solve_loss(problem, x0, 1e-6), [np.nan, 2, 2], rtol=1e-6)
    times = np.array([0.0, 0.5, 1.5, 2.0])
    truth = x0[:, 0] / (1 - np.multiply.outer(times, x0[:, 0]))
    truth[2:, 0] = np.nan
    np.testing.assert_allclose(solve_states(problem, x0, times, 1e-6)[..., 0], truth, rtol=1e-4)


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8])
@pytest.mark.parametrize("name", ["electric", "differential_drive", "quadrotor_smooth"])
def test_a_gradient_to_a_tolerance_is_the_certified_one(name: str, tolerance: float) -> None:
    """Truth: the certificate, by two methods."""
    problem, x0 = TASKS[name].problem("initial").sample(np.random.default_rng(1), 2)
    truth = certify(problem, x0)
    found = solve_gradient(problem, x0, tolerance)
    error = np.linalg.norm(found.gradient - truth.gradient, axis=1)
    assert (error <= 10 * tolerance * np.linalg.norm(truth.gradient, axis=1)).all()
