"""Reversible methods: exact gradients of their own loss, states undone, and what rounding does."""

from collections.abc import Callable

import numpy as np
import pytest

from estimators import ESTIMATORS
from estimators.mali import Mali
from estimators.mccallum_foster import McCallumFoster
from estimators.reversible import Reversible
from estimators.reversible_heun import ReversibleHeun
from estimators.solvers.tableaus import BS3, MIDPOINT, RK4
from systems import TASKS, Array, Problem

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
    assert (estimate.steps == (4 if system == "electric" else 3)).all()
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
    before, middle = X0, X0 + H / 2 * slope(X0)
    v = slope(X0)
    x = X0
    for _ in range(STEPS):
        u = slope(middle)
        x = x + H * u
        v = 2 * u - v
        before, middle = middle, middle + H * v
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
        y = 0.99 * y + 0.01 * z + rk4(H, z)
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
    """Truth: eps / coupling^steps, within what so many steps add up to: nothing hides it."""
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


@pytest.mark.parametrize(
    ("method", "growth"),
    [
        (Mali(tight=1e-3), 1.75),
        (ReversibleHeun(tight=1e-3), 1.75),
        (McCallumFoster(BS3, tight=1e-2, coupling=0.99), 1.75 + np.log(0.99) / 0.05),
        (McCallumFoster(BS3, tight=1e-2, coupling=0.85), -1.0),
    ],
    ids=["mali", "reversible_heun", "coupled", "looser"],
)
def test_what_the_second_state_does_where_the_system_decays(
    method: Reversible, growth: float
) -> None:
    """Truth: the closed loop's rate of 1.75, which it grows by, less what the coupling takes off.

    Where steps h are so long that 1.75 h > -log(coupling), it outgrows x, which decays.
    """
    h, ends = 0.05, []
    for horizon in (16.0, 24.0):
        problem = Problem(LINEAR.system, LINEAR.policy, LINEAR.theta, horizon)
        state = method.discretised_loss(problem, LANES, X0, h)[1][-1][1]
        ends.append(np.linalg.norm(np.concatenate(state)))
    observed = np.log(ends[1] / ends[0]) / 8
    assert (abs(observed - growth) < 0.1) if growth > 0 else observed < growth
