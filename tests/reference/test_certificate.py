"""A certificate keeps its promises, and notices a wrong gradient."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from gradpareto.reference import certify
from gradpareto.reference.agreement import AGREED, ENOUGH
from gradpareto.reference.agreement import _converged as converged
from gradpareto.reference.continuous import continuous, trajectories
from gradpareto.reference.direction import check_directions
from gradpareto.reference.gauss_legendre import gauss_legendre
from gradpareto.systems import LQR, TASKS, Array, Policy, Problem
from gradpareto.systems.differential_drive import DifferentialDrive
from gradpareto.systems.lorenz import Lorenz


def fine(horizon: float) -> Array:
    """A mesh for each of two samples on which DOP853 is at rounding."""
    return np.tile(np.linspace(0, horizon, 201), (2, 1))


def test_registered_problems_are_certified(registered: tuple[Problem, Array]) -> None:
    problem, x0 = registered
    reference = certify(problem, x0)
    linear = isinstance(problem.system, LQR)
    kinked = "elu" in problem.policy.activations
    # The chaotic one multiplies roundings: `test_chaos_shows_in_the_uncertainty`.
    conditioning = 1e3 if isinstance(problem.system, Lorenz) else 1.0
    threshold = conditioning * (1e-14 if linear else ENOUGH if kinked else 1e-13)
    assert (reference.rel_uncertainty <= threshold).all()
    assert (reference.uncertainty > 0).all()
    assert reference.gradient.shape == (2, x0.shape[1] + problem.policy.size)
    assert ("closed form / continuous adjoint" in reference.disagreements) == linear
    assert {"random direction", "gradient direction"} < set(reference.disagreements)
    worst = np.max(list(reference.disagreements.values()), axis=0)
    assert np.array_equal(reference.uncertainty, worst)
    # A floor that the limit's own rounding does not exceed by much; at kinks no rule gets there.
    norms = np.linalg.norm(reference.gradient, axis=1)
    assert kinked or (reference.limit.abs_error[:, -1] < conditioning * 1e-12 * norms).all()


@pytest.mark.parametrize("kinked", ["clamped", "exponential_linear"])
def test_kinks_are_resolved(kinked: str, request: pytest.FixtureRequest) -> None:
    """Truth: the methods, where 1024 equal steps of collocation are far from it.

    The clamped force's derivative jumps by 111 a second squared.
    """
    problem, x0 = request.getfixturevalue(kinked)
    reference = certify(problem, x0)
    assert (reference.rel_uncertainty <= ENOUGH).all()
    equal = gauss_legendre(problem, x0, [np.linspace(0, problem.horizon, 1025)]).gradient
    missed = np.linalg.norm(equal - reference.gradient, axis=1)
    assert missed.max() > 100 * reference.uncertainty.max()


def test_a_disagreement_that_falls_to_the_last_is_an_uncertainty() -> None:
    """Truth: collocation at four times the steps that two steps of an adaptive solve allow."""
    problem, x0 = TASKS["lorenz"].problem("initial").sample(np.random.default_rng(0), 2)
    fine, coarse = converged(problem, x0, [[np.linspace(0, 5, 3)] * 2])
    truth = gauss_legendre(problem, x0, [np.linspace(0, 5, 513)]).gradient
    change = np.linalg.norm(fine.gradient - coarse.gradient, axis=1)
    missed = np.linalg.norm(fine.gradient - truth, axis=1)
    assert (change > AGREED * np.linalg.norm(truth, axis=1)).any()
    assert (missed <= change).all()


def test_chaos_shows_in_the_uncertainty() -> None:
    """Truth: what the gradient itself does when x0 is rounded differently."""
    problem = replace(TASKS["lorenz"].problem("initial"), horizon=6.0)
    x0 = problem.system.sample_x0(np.random.default_rng(0), 1)
    reference = certify(problem, x0)
    rounded = x0 * (1 + 2.2e-16 * np.arange(4)[:, None])
    spread = np.linalg.norm(
        np.ptp(gauss_legendre(problem, rounded, [np.linspace(0, 6, 385)]).gradient, axis=0)
    )
    assert (reference.uncertainty > 0.3 * spread).all()
    assert (reference.uncertainty < 1000 * spread).all()
    assert (reference.rel_uncertainty > 3e-14).all()


@dataclass(frozen=True)
class WrongDrive(DifferentialDrive):
    """Off by a millionth in its pullback, where no adjoint can tell."""

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, c)
        return (1 + 1e-6) * gx, gu


def test_a_wrong_pullback_shows_in_the_directions_only() -> None:
    task = TASKS["differential_drive"]
    theta = task.presets["initial"](task.policy)
    problem = Problem(WrongDrive(), task.policy, theta, 2.0)
    problem, x0 = problem.sample(np.random.default_rng(0), 2)
    mesh = np.linspace(0, 2, 33)
    one, other = gauss_legendre(problem, x0, [mesh]), continuous(problem, x0)[0]
    norm = np.linalg.norm(one.gradient, axis=1)
    assert (np.linalg.norm(one.gradient - other.gradient, axis=1) < 1e-12 * norm).all()
    found = check_directions(problem, x0, one, [fine(2.0)], np.random.default_rng(1))
    assert (found["gradient direction"] > 1e-8 * norm).all()


def test_a_wrong_theta_gradient_shows(small_lqr: tuple[Problem, Array]) -> None:
    problem, x0 = small_lqr
    solution = gauss_legendre(problem, x0, [np.linspace(0, problem.horizon, 33)])
    sound = check_directions(problem, x0, solution, [fine(2.0)], np.random.default_rng(1))
    assert max(error.max() for error in sound.values()) < 1e-13 * np.abs(solution.gradient).max()
    solution.grad_theta[1, 2] += 1e-6
    found = check_directions(problem, x0, solution, [fine(2.0)], np.random.default_rng(1))
    assert found["random direction"][0] < 1e-12
    assert found["random direction"][1] > 1e-8


def test_breakpoint(switched: Problem) -> None:
    """x = e + (x0 - e) exp(-t) on each side of the jump, e the equilibrium there."""
    x0 = np.array([[1.0], [-0.3], [2.0]])
    reference = certify(switched, x0)
    assert (reference.rel_uncertainty <= 1e-12).all()

    loss, grad, x, moved = np.zeros(3), np.zeros(3), x0[:, 0], 1.0
    for length, e in ((1.25, 1.5), (0.75, -1.5)):
        decay, once, twice = np.exp(-length), -np.expm1(-length), -np.expm1(-2 * length) / 2
        loss += (x - e) ** 2 * twice + 2 * e * (x - e) * once + (e * e + 0.25) * length
        grad += moved * (2 * (x - e) * twice + 2 * e * once)
        x, moved = e + (x - e) * decay, moved * decay
    assert reference.loss == pytest.approx(loss, rel=1e-13)
    assert reference.grad_x0[:, 0] == pytest.approx(grad, rel=1e-12)


def test_breakpoint_is_not_stepped_on_from_the_wrong_side(switched: Problem) -> None:
    """The slope at the end of a segment is that segment's: nothing to shorten the steps for."""
    (path,) = trajectories(switched, np.array([[1.0]]))
    assert max(len(piece.mesh(0)) for piece in path.states + path.costates) < 80


def test_a_sample_does_not_depend_on_its_batch(small_lqr: tuple[Problem, Array]) -> None:
    problem, x0 = small_lqr
    alone, together = certify(problem, x0[1:]), certify(problem, x0)
    assert together.gradient[1] == pytest.approx(alone.gradient[0], rel=1e-14)
    assert together.limit.abs_error[1] == pytest.approx(alone.limit.abs_error[0], rel=1e-12)


def test_unusable_input(small_lqr: tuple[Problem, Array]) -> None:
    problem, x0 = small_lqr
    with pytest.raises(ValueError, match="expected"):
        certify(problem, x0[:, :1])
    with pytest.raises(ValueError, match="not finite"):
        certify(problem, np.full((1, 2), np.nan))
    with pytest.raises(ValueError, match="one theta"):
        certify(problem.with_theta(np.tile(problem.theta, (2, 1))), x0)
    with pytest.raises(ValueError, match="finite"):
        certify(problem.with_theta(np.nan * problem.theta), x0)


def test_zero_gradient_has_an_absolute_uncertainty() -> None:
    """At the origin under u = 0 nothing moves and nothing costs."""
    system = TASKS["lqr"].system
    problem = Problem(system, Policy((2, 2), ("identity",)), np.zeros(6), 1.0)
    reference = certify(problem, np.zeros((1, 2)))
    assert reference.uncertainty[0] < 1e-50
    assert reference.zero[0]
    assert reference.rel_uncertainty[0] == 0
