"""Few states give the gradient of the whole trajectory, at the price of the schedule."""

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.bench.run.meter import MeteredProblem, metered
from gradpareto.estimators.bptt import Bptt
from gradpareto.estimators.bptt_adaptive import AdaptiveBptt
from gradpareto.estimators.checkpointing import Checkpointed
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import DOP853, EULER, RK4, TABLEAUS, Tableau
from gradpareto.estimators.solvers.reverse.schedules import OnlinePlacement
from gradpareto.systems import LQR, TASKS, Array, Problem


@pytest.mark.parametrize("tableau", [EULER, RK4, DOP853], ids=lambda tableau: tableau.name)
@pytest.mark.parametrize(("steps", "states"), [(1, 1), (6, 1), (23, 3), (40, 8)])
def test_revolve_gives_bptt_s_gradient(
    tableau: Tableau, steps: int, states: int, short: Callable
) -> None:
    """Truth: the stored trajectory, to rounding, on two segments where there is a breakpoint."""
    for preset in (("lqr", "perturbed"), ("electric", "initial")):
        problem, x0 = short(preset, 1e9).sample(np.random.default_rng(5), 3)
        step = problem.horizon / steps
        found = Checkpointed(tableau, checkpoints=states)(problem, x0, step)
        truth = Bptt(tableau)(problem, x0, step)
        size = np.linalg.norm(truth.gradient, axis=1)
        assert (np.linalg.norm(found.gradient - truth.gradient, axis=1) <= 1e-12 * size).all()
        np.testing.assert_allclose(found.loss, truth.loss, rtol=1e-12)
        np.testing.assert_array_equal(found.steps, truth.steps)


@pytest.mark.parametrize("precision", [float, np.float32])
@pytest.mark.parametrize("name", [n for n, t in TABLEAUS.items() if t.error is not None])
@pytest.mark.parametrize("states", [1, 3, 8])
def test_online_takes_the_same_steps_again(
    name: str, states: int, precision: type, short: Callable
) -> None:
    """Truth: the stored steps of the same solve, to rounding. Lanes differ in how many they take.

    What is taken again is what leads to a step and its inner stages, whatever the number of states.
    """
    for preset in (("lqr", "perturbed"), ("electric", "initial")):
        problem, x0 = short(preset, 2.0).sample(np.random.default_rng(5), 3)
        x0 = (x0 * np.array([[1e-3], [2.0], [0.5]])).astype(precision)
        problem = problem.with_theta(problem.theta.astype(precision))
        counted, stored = metered(problem, 3), metered(problem, 3)
        found = Checkpointed(TABLEAUS[name], states, online=True)(counted, x0, 1e-5)
        truth = AdaptiveBptt(TABLEAUS[name])(stored, x0, 1e-5)
        assert not found.failed
        assert found.gradient.dtype == precision
        np.testing.assert_array_equal(found.steps, truth.steps)
        np.testing.assert_array_equal(found.loss, truth.loss)
        size = np.linalg.norm(truth.gradient, axis=1)
        rounding = 10 * np.finfo(precision).eps * truth.steps
        missed = np.linalg.norm(found.gradient - truth.gradient, axis=1)
        assert (missed <= np.maximum(rounding, 1e-13) * size).all()
        s = TABLEAUS[name].without_estimate().stages
        led_on = [OnlinePlacement.whole(states, n).taken_again() for n in truth.steps]
        again = counted.meter.f_evals - stored.meter.f_evals
        np.testing.assert_array_equal(again, s * np.array(led_on) + (s - 1) * truth.steps)
        np.testing.assert_array_equal(counted.meter.vjp_evals, stored.meter.vjp_evals)


class _Turned(BaseException):
    """The forward pass is over; that is no fault of the system."""


def _stop(system: LQR, x: Array) -> Array:
    gc.collect()  # and with it the interpreter's lists of freed tuples
    raise _Turned(tracemalloc.get_traced_memory()[0])


@pytest.mark.parametrize("name", ["Tsit5", "DOP853"])
def test_a_number_a_step_is_kept_and_no_state(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: 8 bytes for each step of a lane, not 16, give or take a growing array's reserve."""
    problem = TASKS["lqr"].problem("perturbed")
    x0 = np.random.default_rng(0).standard_normal((32, 2))
    monkeypatch.setattr(LQR, "terminal_gradient", _stop)
    held, steps = [], []
    for tolerance in (1e-8, 1e-8, 1e-12):  # the first fills what is filled only once
        estimator = Checkpointed(TABLEAUS[name], online=True)
        steps.append(loss_steps(problem, x0, TABLEAUS[name], tolerance))
        tracemalloc.start()
        try:
            with pytest.raises(_Turned) as turned:
                estimator(problem, x0, tolerance)
            held.append(turned.value.args[0] / len(x0))
        finally:
            tracemalloc.stop()
    price = (held[2] - held[1]) / (steps[2] - steps[1])
    assert 0.75 * 8 < price < 1.5 * 8


def loss_steps(problem: Problem, x0: Array, tableau: Tableau, tolerance: float) -> float:
    """Steps that a lane takes, on average."""
    forward = solve_forward(
        problem, x0, problem.segments, tableau, Adaptive.from_tolerance(tolerance)
    )
    return float(forward.steps.mean())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_lost_lane_is_not_gone_back_over(
    short: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: the other lane alone, and no derivative asked for the one lost after a few steps."""
    problem, flow = short(("lqr", "perturbed"), 2.0), MeteredProblem.flow

    def undefined(self: MeteredProblem, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        slope, cost = flow(self, lane, t, x)
        slope[(lane == 1) & (t > 0.5)] = np.nan
        return slope, cost

    monkeypatch.setattr(MeteredProblem, "flow", undefined)
    x0, counted = np.array([[0.5, -0.3], [0.4, 0.3]]), metered(problem, 2)
    online = Checkpointed(TABLEAUS["Tsit5"], online=True)
    found, alone = online(counted, x0, 1e-5), online(problem, x0[:1], 1e-5)
    assert list(found.failed) == [1]
    assert found.steps[1] > 2
    assert np.isnan(found.gradient[1]).all()
    assert counted.meter.vjp_evals[1] == 0
    np.testing.assert_allclose(found.gradient[0], alone.gradient[0], rtol=1e-12)


def test_few_steps_cost_the_calls_declared_across_breakpoints(short: Callable) -> None:
    """Truth: the meter, with fewer states than steps, on two segments."""
    problem, x0 = short(("electric", "initial"), 1e9).sample(np.random.default_rng(5), 2)
    assert len(problem.segments) > 2
    for states in (1, 3):
        revolve, counted = Checkpointed(RK4, states), metered(problem, 2)
        revolve(counted, x0, problem.horizon / 19)
        assert counted.meter.evals.tolist() == [revolve.calls(problem, problem.horizon / 19)] * 2
