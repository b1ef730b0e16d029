"""Reversible methods: exact gradients of their own loss, states undone, and what rounding does."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.mali import Mali
from gradpareto.estimators.mccallum_foster import McCallumFoster
from gradpareto.estimators.reversible import Reversible
from gradpareto.estimators.reversible_heun import ReversibleHeun
from gradpareto.estimators.solvers.explicit.tableaus import BS3, MIDPOINT, RK4
from gradpareto.systems import TASKS, Array, Problem

METHODS = {name: e for name, e in ESTIMATORS.items() if isinstance(e, Reversible)}
METHODS["midpoint"] = McCallumFoster(MIDPOINT, tight=1e-3, coupling=0.7)
LANES = np.arange(2)
STEP = 1e-30

methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@pytest.mark.parametrize("system", ["lqr", "quadrotor", "electric"])  # the last has a breakpoint
@methods
def test_against_complex_step(method: Reversible, system: str, short: Callable) -> None:
    """Truth: complex step of the discretised loss in x0 and along random theta, to 1e-12."""
    problem = short((system, "perturbed" if system == "lqr" else "initial"), 0.5)
    if system == "electric":
        problem = TASKS[system].problem("initial")
    rng = np.random.default_rng(6)
    problem = problem.with_theta(problem.theta + 0.1 * rng.standard_normal(problem.theta.shape))
    problem, x0 = problem.sample(rng, len(LANES))
    step = 0.38 * problem.horizon

    def discrete(problem: Problem, x0: Array) -> Array:
        return method.discretised_loss(problem, LANES, x0, step)[0]

    estimate = method(problem, x0, step)
    assert (estimate.steps == (8 if system == "electric" else 6)).all()
    np.testing.assert_array_equal(estimate.loss, discrete(problem, x0))
    size = np.linalg.norm(estimate.grad_x0, axis=1)
    for entry in range(x0.shape[1]):
        moved = x0.astype(complex)
        moved[:, entry] += 1j * STEP
        truth = discrete(problem, moved).imag / STEP
        assert (np.abs(estimate.grad_x0[:, entry] - truth) <= 1e-12 * size).all()
    for _ in range(3):
        v = rng.standard_normal(problem.theta.shape)
        truth = discrete(problem.with_theta(problem.theta + 1j * STEP * v), x0).imag / STEP
        size = np.linalg.norm(estimate.grad_theta, axis=1) * np.linalg.norm(v)
        assert (np.abs(estimate.grad_theta @ v - truth) <= 1e-12 * size).all()


@methods
def test_the_backward_pass_arrives_where_the_forward_pass_began(method: Reversible) -> None:
    """Truth: x0; each of the few steps rounds once or twice, in either pass."""
    problem, x0 = TASKS["quadrotor"].problem("initial").sample(np.random.default_rng(0), 2)
    found = method(problem, x0, problem.horizon / 20).reconstructed
    assert found is not None
    size = 1 / getattr(method, "coupling", 1.0) ** 20
    np.testing.assert_allclose(found, x0, atol=1e-13 * size)


LINEAR = TASKS["lqr"].problem("perturbed")
X0 = np.array([[1.0, -0.5], [0.3, 2.0]])
H, STEPS = 0.1, 6


def slope(x: Array) -> Array:
    return LINEAR.flow(LANES, np.zeros(2), x)[0]


def rk4(h: float, x: Array) -> Array:
    """The increment, by the textbook."""
    k1 = slope(x)
    k2 = slope(x + h / 2 * k1)
    k3 = slope(x + h / 2 * k2)
    return h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(x + h * k3))


def mali() -> Array:
    """The two-step midpoint rule, which the leapfrog's midpoints are iterates of."""
    v = slope(X0)
    x, middle = X0, X0 + H / 2 * v
    for _ in range(STEPS):
        u = slope(middle)
        x = x + H * u
        v = 2 * u - v
        middle = middle + H * v
    return x


def reversible_heun() -> Array:
    y = z = X0
    for _ in range(STEPS):
        ahead = 2 * y - z + H * slope(z)
        y = y + H / 2 * (slope(z) + slope(ahead))
        z = ahead
    return y


def coupled() -> Array:
    """In the paper's order: y, then z."""
    y = z = X0
    for _ in range(STEPS):
        y = 0.999 * y + 0.001 * z + rk4(H, z)
        z = z - rk4(-H, y)
    return y


@pytest.mark.parametrize(
    ("name", "written_out"),
    [("mali", mali), ("reversible_heun", reversible_heun), ("reversible-rk4", coupled)],
)
def test_steps_are_the_papers(name: str, written_out: Callable[[], Array]) -> None:
    """Truth: the recursion written out, for x at the end."""
    problem = Problem(LINEAR.system, LINEAR.policy, LINEAR.theta, H * STEPS)
    _, ends = METHODS[name].discretised_loss(problem, LANES, X0, H)
    np.testing.assert_allclose(ends[-1][1][0], written_out(), rtol=1e-13)


@pytest.mark.parametrize("steps", [50, 100, 200, 400])
def test_rounding_grows_by_the_coupling_a_step(steps: int) -> None:
    """Truth: eps / coupling^steps, within what that many steps add up to: nothing hides it."""
    problem = Problem(LINEAR.system, LINEAR.policy, LINEAR.theta, 1.0)
    found = McCallumFoster(RK4, tight=0.01, coupling=0.95)(problem, X0, 1 / steps).reconstructed
    assert found is not None
    missed = np.abs(found - X0).max() / (np.finfo(float).eps / 0.95**steps)
    assert 1e-2 < missed < 1e2


def test_a_tighter_coupling_keeps_what_a_looser_one_loses() -> None:
    """Truth: the discrete adjoint's own loss by complex step, which no backward pass rounds."""
    problem = Problem(LINEAR.system, LINEAR.policy, LINEAR.theta, 1.0)
    errors = []
    for coupling in (0.9, 0.99, 0.999):
        method = McCallumFoster(RK4, tight=0.01, coupling=coupling)
        v = np.ones(problem.theta.shape)
        moved = problem.with_theta(problem.theta + 1j * STEP * v)
        truth = method.discretised_loss(moved, LANES, X0, 1 / 200)[0].imag / STEP
        errors.append(np.abs(method(problem, X0, 1 / 200).grad_theta @ v / truth - 1).max())
    assert errors[0] > 1e-10
    assert max(errors[1:]) < 1e-12


@pytest.mark.parametrize("coupling", [0.0, -1.0, 1.5])
def test_a_coupling_that_cannot_be_undone_is_refused(coupling: float) -> None:
    with pytest.raises(ValueError, match="coupling"):
        McCallumFoster(RK4, tight=0.01, coupling=coupling)


SECOND = {
    "mali": Mali(tight=1e-3),
    "reversible_heun": ReversibleHeun(tight=1e-3),
    "coupled": McCallumFoster(BS3, tight=1e-2, coupling=0.99),
    "looser": McCallumFoster(BS3, tight=1e-2, coupling=0.9),
}


@pytest.mark.parametrize("method", SECOND.values(), ids=SECOND)
def test_the_second_state_grows_at_the_rate_of_decay(method: Reversible) -> None:
    """Truth: the closed loop's rate of 1.75, less what the coupling takes off.

    Two trajectories, which ought to approach each other, part where steps h are so long that
    1.75 h > -log(coupling).
    """
    h, apart = 0.05, []
    for horizon in (16.0, 24.0):
        problem = Problem(LINEAR.system, LINEAR.policy, LINEAR.theta, horizon)
        x = method.discretised_loss(problem, LANES, X0, h)[1][-1][1][0]
        apart.append(np.linalg.norm(x[1] - x[0]))
    growth = 1.75 + np.log(getattr(method, "coupling", 1.0)) / h
    assert np.log(apart[1] / apart[0]) / 8 == pytest.approx(growth, abs=0.1)
