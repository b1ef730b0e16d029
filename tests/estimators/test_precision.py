"""float32 in, float32 throughout and out; what is exempt says so and returns float64."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from gradpareto.bench.run.meter import Meter, with_meter
from gradpareto.estimators import ESTIMATORS, Estimate, Estimator
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import TABLEAUS
from gradpareto.systems import TASKS, Array, Problem
from tests.estimators.presets import on_presets

EPS = float(np.finfo(np.float32).eps)
ACCUMULATION = 14.0
"""Roundings, each of a last place, that a step adds: of its state, its adjoint, and its stages, of
which DOP853 has 12."""
FOLLOWING = {name: e for name, e in ESTIMATORS.items() if e.declares.follows_dtype}


class SinglePrecision(Meter):
    """A meter that refuses any call with float64 but the time."""

    def see(self, problem: Problem, oracle: str, lane: Array, t: Array, *arrays: Array) -> None:
        single(*arrays)


def single(*arrays: Array) -> None:
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def in_single(problem: Problem) -> Problem:
    """The problem in float32, refusing float64; its oracles return float32."""
    given = with_meter(problem.with_theta(problem.theta.astype(np.float32)), SinglePrecision(0))
    lane, t = np.zeros(1, dtype=int), np.zeros(1)
    x = np.ones((1, problem.system.state_dim), np.float32)
    slope, cost = given.flow(lane, t, x)
    gx, factors = given.pullback(lane, t, x, x, cost)
    single(slope, cost, gx, *factors)
    return given


def gradient(estimate: Estimate) -> Array:
    assert not estimate.failed
    return np.hstack([estimate.grad_x0, estimate.grad_theta])


@on_presets("name", FOLLOWING)
def test_single_precision_throughout(
    estimator: Estimator, preset: tuple[str, str], short: Callable
) -> None:
    """Truth: the same estimator in float64, from the same rounded x0 and theta.

    They differ by what the steps round, which is far above float64's own, and where steps adapt, by
    the tolerance, or the power of it that is declared, since each takes its own. The loss, where a
    goal is near and far from the origin, is smaller than what x0's own rounding does to it: hence
    its condition number.
    """
    problem, x0 = short(preset, 0.6, estimator).sample(np.random.default_rng(8), 3)
    problem, x0 = in_single(problem), x0.astype(np.float32)
    setting = problem.horizon / 12 if estimator.declares.knob == "step" else 1e-5
    found = estimator(problem, x0, setting)
    for part in (found.loss, found.grad_x0, found.grad_theta):
        assert part.dtype == np.float32
    parts = {f.name: getattr(problem, f.name) for f in fields(Problem) if f.init}
    double = Problem(**{**parts, "theta": problem.theta.astype(float)})
    truth = estimator(double, x0.astype(float), setting)
    size = np.linalg.norm(gradient(truth), axis=1)
    missed = np.linalg.norm(gradient(found) - gradient(truth), axis=1) / size
    adapts = estimator.declares.knob == "tolerance"
    allowed = EPS * found.steps.max() + (
        setting**estimator.declares.tolerance_exponent if adapts else 0
    )
    assert (missed <= ACCUMULATION * allowed).all()
    assert (missed > 1e-9).all()
    moved = np.linalg.norm(truth.grad_x0, axis=1) * np.linalg.norm(x0, axis=1)
    missed = np.abs(found.loss - truth.loss)
    assert (missed <= ACCUMULATION * allowed * np.maximum(np.abs(truth.loss), moved)).all()


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in FOLLOWING])
def test_those_exempt_work_in_double_precision(estimator: Estimator, short: Callable) -> None:
    """Truth: the estimate from the same numbers as float64, closer than float32 could be.

    Not to the last bit: the implicit methods difference their Jacobians, which magnifies it.
    """
    problem = short(("lqr", "perturbed"), 0.6)
    theta, x0 = problem.theta.astype(np.float32), np.array([[0.4, -0.3]], np.float32)
    setting = {"step": 0.1, "tolerance": 1e-5, "rollouts": 4}[estimator.declares.knob]
    found = estimator(problem.with_theta(theta), x0, setting)
    truth = estimator(problem.with_theta(theta.astype(float)), x0.astype(float), setting)
    assert gradient(found).dtype == np.float64
    np.testing.assert_allclose(gradient(found), gradient(truth), rtol=EPS / 10)


@pytest.mark.parametrize("name", [n for n, t in TABLEAUS.items() if t.error is not None])
def test_what_is_stored_is_single_and_times_are_double(name: str, short: Callable) -> None:
    """Truth: none but the dtypes; halving the bytes is what single precision is for."""
    problem = in_single(short(("quadrotor", "initial"), 0.6))
    x0 = problem.system.sample_x0(np.random.default_rng(8), 2).astype(np.float32)
    control = Adaptive(1e-4, 1e-7)
    found = solve_forward(problem, x0, (0.0, 0.6), TABLEAUS[name], control, dense=True)
    assert found.dense is not None
    single(found.y, found.integral, found.stops, found.dense.coefficients)
    single(found.dense(np.array([0, 1]), np.array([0.1, 0.2])))
    assert found.dense.keys.dtype == found.dense.start.dtype == np.float64


def test_a_tolerance_below_rounding_ends() -> None:
    """Truth: the float64 estimate; rounding in an error estimate shrinks with the step."""
    problem = TASKS["lqr"].problem("perturbed")
    x0 = np.array([[1.0, -1.0]])
    found = ESTIMATORS["ctpg"](in_single(problem), x0.astype(np.float32), 1e-8)
    truth = ESTIMATORS["ctpg"](problem.with_theta(problem.theta), x0, 1e-8)
    np.testing.assert_allclose(gradient(found), gradient(truth), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("given", "kept"), [(np.float32, np.float32), (int, np.float64)])
def test_check_x0_keeps_single_precision(given: type, kept: type) -> None:
    x0 = np.ones((1, 2), given)
    assert TASKS["lqr"].problem("optimal").check_x0(x0).dtype == kept
