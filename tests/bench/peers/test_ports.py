"""Ports in every library against the project's problems, and peers against certified gradients."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradpareto.bench.peers.closed_loop import ClosedLoop
from gradpareto.bench.peers.ports import PORTS
from gradpareto.bench.peers.registry import PEERS, load_peer, missing_of
from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.samples import Samples, certified
from gradpareto.systems import TASKS, Array, Problem

for library in ("casadi", "diffrax", "jax"):
    pytest.importorskip(library, reason="needs the extra 'peers'")

import casadi
import jax

from gradpareto.bench.peers.casadi_peers import CASADI
from gradpareto.bench.peers.jax_loop import JAX

PORTED = [name for name, task in TASKS.items() if type(task.system) in PORTS]
PROBLEMS = [(name, preset) for name in PORTED for preset in TASKS[name].presets]
ROWS = 8
ROUNDING = 64 * np.finfo(float).eps
"""The relative rounding of sums of 64 terms, which a layer of the largest policy takes."""


def rows_of(system: str, preset: str) -> tuple[Problem, Array, Array, Array]:
    """A problem at parameters moved off the preset, and rows x, a and c."""
    rng = np.random.default_rng(3)
    problem = TASKS[system].problem(preset)
    problem = problem.with_theta(problem.theta + 0.1 * rng.standard_normal(problem.theta.shape))
    shape = ROWS, problem.system.state_dim
    return (
        problem,
        rng.standard_normal(shape),
        rng.standard_normal(shape),
        rng.standard_normal(ROWS),
    )


def assert_equal(found: Any, expected: Array) -> None:
    missed = np.linalg.norm(np.asarray(found) - expected, axis=-1)
    assert (missed <= ROUNDING * np.linalg.norm(expected, axis=-1)).all()


@pytest.mark.parametrize(("system", "preset"), PROBLEMS)
def test_a_port_in_jax_is_the_project_s_problem(system: str, preset: str) -> None:
    problem, x, a, c = rows_of(system, preset)
    lane, t = np.arange(ROWS), np.zeros(ROWS)

    @jax.jit
    @jax.vmap
    def both(x: Any, a: Any, c: Any) -> Any:
        loop = ClosedLoop(problem, JAX)
        value, pullback = jax.vjp(lambda p, x: loop.flow(loop.layers(p), x), problem.theta, x)
        return value, pullback((a, c)), loop.terminal(x)

    (dx, w), (gtheta, gx), terminal = both(x, a, c)
    for found, expected in zip((dx, w), problem.flow(lane, t, x), strict=True):
        assert_equal(found, expected)
    expected, factors = problem.pullback(lane, t, x, a, c)
    assert_equal(gx, expected)
    assert_equal(gtheta, problem.contract([factors], np.ones((1, 1)))[0])
    np.testing.assert_allclose(terminal, problem.terminal(x), rtol=ROUNDING)


@pytest.mark.parametrize(("system", "preset"), PROBLEMS)
def test_a_port_in_casadi_is_the_project_s_problem(system: str, preset: str) -> None:
    problem, x, _, _ = rows_of(system, preset)
    loop = ClosedLoop(problem, CASADI)
    symbols = casadi.MX.sym("theta", problem.policy.size), casadi.MX.sym("x", x.shape[1])
    outputs = [*loop.flow(loop.layers(symbols[0]), symbols[1]), loop.terminal(symbols[1])]
    call = casadi.Function("call", symbols, outputs)
    dx, w, terminal = (np.array(part).T for part in call.map(ROWS)(problem.theta, x.T))
    for found, expected in zip(
        (dx, w[:, 0]), problem.flow(np.arange(ROWS), x[:, 0], x), strict=True
    ):
        assert_equal(found, expected)
    np.testing.assert_allclose(terminal[:, 0], problem.terminal(x), rtol=ROUNDING)


@pytest.fixture(scope="module")
def lqr(cache: Path) -> Samples:
    return certified("lqr", "perturbed", 2, 0, cache)


TIGHT = {"tolerance": 1e-12, "step": 0.01}
REACHED = {
    "peer:casadi-rk4": 1e-7,
    "peer:diffrax-backsolve-dopri8": 4e-5,
    "peer:torchdiffeq-adjoint-dopri5": 4e-5,
}
"""RK4's relative error is (1.75 h)^4 / 120 times a few; backsolve multiplies the tolerance by the
decay that it undoes, exp(1.75 T)."""


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_s_gradient_is_the_certified_one(name: str, lqr: Samples) -> None:
    """Truth: references."""
    if missing_of(name):
        pytest.skip(f"needs {' and '.join(missing_of(name))}")
    peer = load_peer(name)
    setting = TIGHT[peer.declares.knob]
    found = peer.ready(lqr.problem, 2)(lqr.problem, lqr.x0, setting)
    assert not found.failed
    assert lqr.rel_error(found.gradient) <= REACHED.get(name, 1e-9)


def test_the_quadrotor_s_gradient_is_the_certified_one(cache: Path) -> None:
    samples = certified("quadrotor", "trained", 1, 0, cache)
    ready = load_peer("peer:diffrax-tsit5").ready(samples.problem, 1)
    found = ready(samples.problem, samples.x0, 1e-12)
    assert samples.rel_error(found.gradient) <= 1e-9
    assert ready.compile_s > 0
    assert ready.peak_bytes > 8 * found.grad_theta.size


def test_what_a_peer_evaluates_is_counted_by_calling_it_back(lqr: Samples) -> None:
    """Truth: the stages of Tsit5, of which the first is the last of the step before.

    Every attempted step is made once forward and, since all are kept, once more in reverse. The
    first step's length takes one evaluation more.
    """
    peer = load_peer("peer:diffrax-tsit5")
    outcome = attempt(peer, lqr.problem, lqr.x0, 1e-6)
    assert outcome.estimate is not None, outcome.reason
    meter, (attempted, rest) = outcome.meter, np.divmod(outcome.meter.vjp_evals - 1, 6)
    assert not rest.any()
    assert (attempted >= outcome.estimate.steps).all()
    assert (outcome.estimate.steps > 5).all()
    np.testing.assert_array_equal(meter.f_evals, 2 + 2 * 6 * attempted)
    own = peer.ready(lqr.problem, 2)(lqr.problem, lqr.x0, 1e-6)
    np.testing.assert_array_equal(outcome.estimate.steps, own.steps)
    np.testing.assert_allclose(outcome.estimate.gradient, own.gradient, rtol=1e-6)


def test_casadi_takes_a_product_for_each_stage_of_a_step(lqr: Samples) -> None:
    """Truth: RK4 has four stages, each with a vector-Jacobian product in reverse."""
    outcome = attempt(load_peer("peer:casadi-rk4"), lqr.problem, lqr.x0, 0.5)
    assert outcome.estimate is not None, outcome.reason
    steps = 20
    np.testing.assert_array_equal(outcome.meter.vjp_evals, 4 * steps)
    assert (outcome.meter.f_evals >= 4 * steps).all()


@pytest.mark.parametrize(("system", "preset"), PROBLEMS)
def test_a_port_in_pytorch_is_the_project_s_problem(system: str, preset: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchdiffeq")
    library = import_module("gradpareto.bench.peers.torchdiffeq_peers").TORCH
    problem, x, a, c = rows_of(system, preset)
    lane, t = np.arange(ROWS), np.zeros(ROWS)
    loop, (dx, w) = ClosedLoop(problem, library), problem.flow(lane, t, x)
    gx, factors = problem.pullback(lane, t, x, a, c)
    grad_theta = problem.contract([factors], np.ones((1, 1)))[0]
    for row in range(ROWS):
        theta, state = (torch.tensor(part, requires_grad=True) for part in (problem.theta, x[row]))
        slope, cost = loop.flow(loop.layers(theta), state)
        assert_equal(slope.detach(), dx[row])
        assert_equal(cost.detach()[None], w[row, None])
        (slope @ torch.tensor(a[row]) + c[row] * cost).backward()
        assert_equal(state.grad, gx[row])
        assert_equal(theta.grad, grad_theta[row])
        terminal = loop.terminal(torch.tensor(x[row]))
        np.testing.assert_allclose(terminal, problem.terminal(x)[row], rtol=ROUNDING)


def test_torchdiffeq_evaluates_six_stages_of_an_attempted_step(lqr: Samples) -> None:
    """Truth: the stages of Dormand and Prince's method, of which the first is the last one before.

    The first step's length takes two evaluations. PyTorch differentiates them, and the steps that
    were accepted.
    """
    pytest.importorskip("torchdiffeq")
    outcome = attempt(load_peer("peer:torchdiffeq-dopri5"), lqr.problem, lqr.x0, 1e-6)
    assert outcome.estimate is not None, outcome.reason
    attempted, rest = np.divmod(outcome.meter.f_evals - 2, 6)
    assert not rest.any()
    steps = outcome.estimate.steps
    assert (attempted >= steps).all()
    assert (steps > 5).all()
    np.testing.assert_array_equal(outcome.meter.vjp_evals, 2 + 6 * steps)
    own = load_peer("peer:torchdiffeq-dopri5").ready(lqr.problem, 2)(lqr.problem, lqr.x0, 1e-6)
    np.testing.assert_array_equal(steps, own.steps)
    np.testing.assert_allclose(outcome.estimate.gradient, own.gradient, rtol=1e-6)
