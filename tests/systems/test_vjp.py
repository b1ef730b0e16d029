"""Every hand-derived vector-Jacobian product against complex step."""

from dataclasses import replace

import numpy as np
import pytest

from gradpareto.systems import LQR, TASKS, Policy, Problem

EXACT = [name for name, task in TASKS.items() if task.system.truth is None]
PRESETS = [(name, preset) for name in EXACT for preset in TASKS[name].presets]
STEP = 1e-30  # complex step has no rounding to balance
ROWS = 8


def problem_and_rows(name: str, preset: str, where: str) -> tuple[Problem, tuple]:
    """A problem at parameters moved off the preset, and rows t, x, a, c at a kind of point."""
    rng = np.random.default_rng(11)
    problem = TASKS[name].problem(preset)
    problem = problem.with_theta(problem.theta + 0.3 * rng.standard_normal(problem.theta.shape))
    problem, x0 = problem.sample(rng, ROWS)
    d = problem.system.state_dim
    x = {
        "random": rng.standard_normal((ROWS, d)),
        "origin": np.zeros((ROWS, d)),
        "far": 40 * rng.standard_normal((ROWS, d)),
        "right angles": np.pi / 2 * rng.integers(-4, 5, (ROWS, d)) + 0.05,
        "x0": x0,
    }[where]
    t = rng.uniform(0, problem.horizon, ROWS)
    return problem, (t, x, rng.standard_normal((ROWS, d)), rng.standard_normal(ROWS))


def unsaturated_rounding(problem: Problem, rows: tuple) -> np.ndarray:
    """A rounding of the theta-cotangent as it were if the last activation let everything through.

    A saturated tanh knows its slope, 1 - y^2, to a rounding of 1, not of itself.
    """
    activations = (*problem.policy.activations[:-1], "identity")
    policy = replace(problem.policy, activations=activations)
    factors = replace(problem, policy=policy).pullback(*rows)[1]
    through = policy.contract([factors], np.ones((1, 1)))[0]
    return np.finfo(float).eps * np.linalg.norm(through, axis=1)


@pytest.mark.parametrize("where", ["random", "origin", "far", "right angles", "x0"])
@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_pullback_is_the_transpose_of_the_complex_step(name: str, preset: str, where: str) -> None:
    problem, (t, x, a, c) = problem_and_rows(name, preset, where)
    lane = np.arange(ROWS)
    gx, factors = problem.pullback(lane, t, x, a, c)
    gtheta = problem.contract([factors], np.ones((1, 1)))[0]

    def paired(p: Problem, x: np.ndarray) -> np.ndarray:
        slope, cost = p.flow(lane, t, x)
        return (a * slope).sum(axis=1) + c * cost

    for entry in range(x.shape[1]):
        moved = x.astype(complex)
        moved[:, entry] += 1j * STEP
        truth = paired(problem, moved).imag / STEP
        size = np.linalg.norm(gx, axis=1)
        assert np.all(np.abs(gx[:, entry] - truth) <= 1e-12 * size)
    rounding = unsaturated_rounding(problem, (lane, t, x, a, c))
    allowed = 1e-12 * np.linalg.norm(gtheta, axis=1) + rounding
    rng = np.random.default_rng(5)
    for _ in range(6):
        v = rng.standard_normal(problem.theta.shape)
        moved_theta = problem.with_theta(problem.theta + 1j * STEP * v)
        truth = paired(moved_theta, x.astype(complex)).imag / STEP
        assert np.all(np.abs(gtheta @ v - truth) <= allowed * np.linalg.norm(v))


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_jacobian_has_a_row_for_each_state(name: str, preset: str) -> None:
    """Truth: a pullback of one unit cotangent at a time."""
    problem, (t, x, _, c) = problem_and_rows(name, preset, "random")
    lane, one, d = np.arange(ROWS), np.ones((1, 1)), x.shape[1]
    jacobian, theta = problem.jacobian(lane, t, x)
    of_controls = problem.contract([theta.factors], one)[0].reshape(ROWS, -1, problem.policy.size)
    by_theta = theta.by_control @ of_controls
    for state, unit in enumerate(np.eye(d)):
        gx, factors = problem.pullback(lane, t, x, np.tile(unit, (ROWS, 1)), 0 * c)
        gtheta = problem.contract([factors], one)[0]
        for found, truth in ((jacobian[:, state], gx), (by_theta[:, state], gtheta)):
            size = np.linalg.norm(truth, axis=1, keepdims=True)
            assert np.all(np.abs(found - truth) <= 1e-13 * size)


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_terminal_gradient(name: str, preset: str) -> None:
    problem, (_, x, _, _) = problem_and_rows(name, preset, "random")
    v = np.random.default_rng(2).standard_normal(x.shape)
    truth = problem.terminal(x + 1j * STEP * v).imag / STEP
    np.testing.assert_allclose((problem.terminal_gradient(x) * v).sum(axis=1), truth, rtol=1e-12)


def test_lqr_terminal_cost_is_differentiated() -> None:
    """The registered LQR has none, so its own test needs one that is not zero."""
    rng = np.random.default_rng(0)
    half = rng.standard_normal((3, 3))
    system = LQR(np.eye(3), np.eye(3), np.eye(3), np.eye(3), half @ half.T, horizon=1.0)
    x, v = rng.standard_normal((2, 4, 3))
    truth = system.terminal(x + 1j * STEP * v).imag / STEP
    np.testing.assert_allclose((system.terminal_gradient(x) * v).sum(axis=1), truth, rtol=1e-13)


@pytest.mark.parametrize("activation", ["tanh", "elu", "identity"])
def test_every_activation(activation: str) -> None:
    rng = np.random.default_rng(3)
    policy = Policy((3, 5, 2), (activation, activation))
    theta, o, g = rng.standard_normal(policy.size), *rng.standard_normal((1, 6, 3)), None
    g = rng.standard_normal((6, 2))
    layers = policy.layers(theta)
    go, factors = policy.pullback(layers, policy.forward(layers, o), g)
    v = rng.standard_normal(o.shape)
    truth = (g * policy.forward(layers, o + 1j * STEP * v)[-1]).sum(axis=1).imag / STEP
    np.testing.assert_allclose((go * v).sum(axis=1), truth, rtol=1e-12, atol=1e-13)
    w = rng.standard_normal(policy.size)
    moved = policy.layers(theta + 1j * STEP * w)
    truth = (g * policy.forward(moved, o.astype(complex))[-1]).sum(axis=1).imag / STEP
    gtheta = policy.contract([factors], np.ones((1, 1)))[0]
    np.testing.assert_allclose(gtheta @ w, truth, rtol=1e-11, atol=1e-12)


def test_layers_are_views_and_cover_theta() -> None:
    policy = TASKS["quadrotor"].policy
    theta = np.zeros(policy.size)
    layers = policy.layers(theta)
    assert len(layers) == 3
    for layer in layers:
        for view in layer:
            view[...] = 1
    assert (theta == 1).all()


def test_a_theta_for_each_row_agrees_with_a_shared_one() -> None:
    problem, (t, x, a, c) = problem_and_rows("quadrotor", "initial", "random")
    lane = np.arange(ROWS)
    each = problem.with_theta(np.tile(problem.theta, (ROWS, 1)))
    for shared, own in zip(problem.flow(lane, t, x), each.flow(lane, t, x), strict=True):
        np.testing.assert_allclose(own, shared, rtol=1e-12, atol=1e-12)
    for shared, own in zip(
        problem.pullback(lane, t, x, a, c)[:1], each.pullback(lane, t, x, a, c)[:1], strict=True
    ):
        np.testing.assert_allclose(own, shared, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("lqr", 6),
        ("differential_drive", 1378),
        ("quadrotor", 6532),
        ("electric", 1096),
        ("cartpole", 4545),
    ],
)
def test_parameter_counts_are_the_papers(name: str, size: int) -> None:
    assert TASKS[name].policy.size == size


@pytest.mark.parametrize(
    "x0",
    [np.zeros((0, 2)), np.zeros(2), np.zeros((3, 4)), np.full((1, 2), np.nan), [[1.0, np.inf]]],
)
def test_unusable_x0_is_refused(x0: np.ndarray) -> None:
    with pytest.raises(ValueError, match="x0"):
        TASKS["lqr"].problem("optimal").check_x0(x0)
