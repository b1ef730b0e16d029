"""Metered counts against counts made by hand, on the LQR, for every estimator."""

from typing import Any

import numpy as np
import pytest
import scipy

from gradpareto.bench.run.meter import metered
from gradpareto.estimators import ESTIMATORS, Estimator, picard_ladder
from gradpareto.estimators.per_lane import PerLaneCtpg
from gradpareto.estimators.solve_bvp import SolveBvp
from gradpareto.estimators.solvers import gauss_quadrature
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.implicit import picard, windows
from gradpareto.estimators.solvers.multistep import adams
from gradpareto.estimators.solvers.multistep.step_point_quadrature import StepPointQuadrature
from gradpareto.estimators.solvers.per_lane.scipy_solver import IMPLICIT_WITH_SPARSITY
from gradpareto.systems import LQR, TASKS, Array, Problem
from tests.estimators.by_hand import BY_HAND
from tests.estimators.by_hand.counting import Log, N

PROBLEM = TASKS["lqr"].problem("perturbed")
SCIPYS = {name: e for name, e in ESTIMATORS.items() if isinstance(e, PerLaneCtpg)}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    seen, factor, turn = Log(), Adaptive.factor, LQR.terminal_gradient
    flow, pullback, too_rough = LQR.flow, LQR.pullback, gauss_quadrature.too_rough
    last: list[Any] = [flow]

    def spied(self: Adaptive, tableau: Any, error: Array, past: Array) -> Array:
        if len(seen.attempts) == 1 or last[0] is pullback:
            seen.attempts[-1] += len(error)
            seen.accepted[-1] += int((error <= 1).sum())
        return factor(self, tableau, error, past)

    def turned(self: LQR, x: Array) -> Array:
        seen.attempts.append(0)
        seen.accepted.append(0)
        return turn(self, x)

    def noted(method: Any) -> Any:
        def called(self: LQR, *given: Any) -> Any:
            last[0] = method
            return method(self, *given)

        return called

    def judged(errors: Array, *bounds: Array) -> Array:
        seen.intervals += len(errors)
        return too_rough(errors, *bounds)

    def attempted(errors: Array) -> Array:
        seen.attempts[-1] += len(errors)
        seen.accepted[-1] += int((accepted := judge(errors)).sum())
        return accepted

    def halved(self: StepPointQuadrature, marked: Array, path: adams.Path) -> None:
        seen.halved += len(marked)
        halve(self, marked, path)

    def swept(errors: Array) -> Array:
        seen.sweeps[len(seen.attempts) - 1] += len(errors)
        return converged(errors)

    judge, halve, converged = adams.judge, StepPointQuadrature.halve, picard.judge
    monkeypatch.setattr(picard, "judge", swept)
    monkeypatch.setattr(windows, "judge", attempted)
    monkeypatch.setattr(picard_ladder, "judge", attempted)
    monkeypatch.setattr(adams, "judge", attempted)
    monkeypatch.setattr(StepPointQuadrature, "halve", halved)
    monkeypatch.setattr(Adaptive, "factor", spied)
    monkeypatch.setattr(LQR, "terminal_gradient", turned)
    monkeypatch.setattr(LQR, "flow", noted(flow))
    monkeypatch.setattr(LQR, "pullback", noted(pullback))
    monkeypatch.setattr(gauss_quadrature, "too_rough", judged)
    return seen


def setting_of(estimator: Estimator) -> float:
    settings = {"step": PROBLEM.horizon / N, "tolerance": 1e-3, "rollouts": 5}
    return settings[estimator.declares.knob]


def test_every_estimator_is_counted_by_hand() -> None:
    """Whoever registers one writes down what it ought to pay.

    SciPy's are compared below, solve_bvp's in `test_solve_bvp`.
    """
    boundary_value = {name for name, e in ESTIMATORS.items() if isinstance(e, SolveBvp)}
    counted = {*BY_HAND, *SCIPYS, *boundary_value}
    assert set(ESTIMATORS) == counted, (
        f"count the calls of {sorted(set(ESTIMATORS) ^ counted)} by hand, and put the formula "
        "into BY_HAND of the module of its family in tests/estimators/by_hand/"
    )


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("name", BY_HAND)
def test_counts_are_those_made_by_hand(name: str, samples: int, log: Log) -> None:
    """Truth: the formulas above, from attempts counted at the step control.

    For more samples, attempts and constants are those of all of them together.
    """
    counted = metered(PROBLEM, samples)
    x0 = np.array([[300.0, -100.0], [0.001, 0.002], [30.0, 5.0]])[:samples]
    estimator = ESTIMATORS[name]
    estimate = estimator(counted, x0, setting_of(estimator))
    assert not estimate.failed
    meter = counted.meter
    log.steps = estimate.steps.tolist()
    nothing = Log([0] * len(log.attempts), [0] * len(log.accepted))
    once, variable = np.array(BY_HAND[name](nothing)), np.array(BY_HAND[name](log))
    expected = variable + (samples - 1) * once
    if samples > 1 and name in ("ctpg-dop853", "ctpg-vern9"):
        assert (once == (2, 1, 0)).all()
    counts = meter.f_evals.sum(), meter.vjp_evals.sum(), meter.jac_evals.sum()
    assert counts == tuple(expected)
    if estimator.declares.knob == "tolerance":
        assert estimate.steps.sum() == sum(log.accepted)
        assert sum(log.attempts) > 0
    assert not meter.jvp_evals.any()


@pytest.mark.parametrize("name", ["ctpg", "ctpg-dop853", "neural_ode"])
def test_rejected_attempts_are_among_those_counted(name: str, log: Log) -> None:
    """Otherwise attempts and accepted steps are one number, and the counts above blind to it."""
    ESTIMATORS[name](PROBLEM, np.array([[300.0, -100.0]]), 1e-3)
    assert sum(log.attempts) > sum(log.accepted)


@pytest.mark.parametrize("name", SCIPYS)
def test_scipys_own_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: every call that SciPy makes of what it is given, and nfev as it reports it.

    It leaves out what Radau and BDF spend on Jacobians: at most the point itself and two goes at a
    column, of which there are as many as states, since nothing depends on the P integrals.
    """
    results: list[Any] = []
    calls: list[int] = []
    solve_ivp = scipy.integrate.solve_ivp

    def spied(fun: Any, *args: Any, **options: Any) -> Any:
        calls.append(0)

        def called(t: float, y: Array) -> Array:
            calls[-1] += 1
            return fun(t, y)

        results.append(solve_ivp(called, *args, **options))
        return results[-1]

    monkeypatch.setattr(scipy.integrate, "solve_ivp", spied)
    counted = metered(PROBLEM, 2)
    x0 = np.array([[2.0, -1.0], [0.1, 0.2]])
    ESTIMATORS[name](counted, x0, 1e-4)
    assert counted.meter.f_evals.tolist() == calls[::2]
    assert counted.meter.vjp_evals.tolist() == calls[1::2]
    own_jacobians = SCIPYS[name].solver.name in IMPLICIT_WITH_SPARSITY
    for result, paid in zip(results, calls, strict=True):
        jacobians = result.njev if own_jacobians else 0
        assert 2 * jacobians <= paid - result.nfev <= (1 + 2 * 2) * jacobians


def test_batches_add_up_to_the_counts(estimator: Estimator) -> None:
    """Truth: rows times calls over all batch sizes is the sum over samples, for each oracle."""
    counted = metered(PROBLEM, 3)
    x0 = np.array([[2.0, -1.0], [0.001, 0.002], [30.0, 5.0]])
    estimator(counted, x0, setting_of(estimator))
    meter = counted.meter
    for oracles, evals, each in (
        (("flow",), meter.f_evals, 1),
        (("pullback", "pullback_with_values", "linearise"), meter.vjp_evals, 1),
        (("jacobian",), meter.jac_evals, x0.shape[1]),
    ):
        rows = sum(size * calls for (kind, size), calls in meter.batches.items() if kind in oracles)
        assert each * rows == evals.sum(), oracles


def test_rows_are_counted_for_the_sample_they_belong_to() -> None:
    """Truth: calls made here, several rows for one lane."""
    counted: Problem = metered(PROBLEM, 3)
    lane, x = np.array([2, 0, 2, 2]), np.ones((4, 2))
    counted.flow(lane, np.zeros(4), x)
    counted.pullback(lane[:2], np.zeros(2), x[:2], x[:2], np.ones(2))
    meter = counted.meter  # type: ignore[attr-defined]
    assert meter.f_evals.tolist() == [1, 0, 3]
    assert meter.vjp_evals.tolist() == [1, 0, 1]
    assert meter.batches == {("flow", 4): 1, ("pullback", 2): 1}


def test_a_pullback_with_values_counts_as_any_and_the_values_as_none() -> None:
    """Truth: calls made here."""
    counted: Problem = metered(PROBLEM, 3)
    rows = np.array([2, 0]), np.zeros(2), np.ones((2, 2))
    values = counted.policy_values(*rows)
    for _ in range(3):
        counted.pullback(*rows, rows[2], np.ones(2), values)
    meter = counted.meter  # type: ignore[attr-defined]
    assert meter.evals.tolist() == meter.vjp_evals.tolist() == [3, 0, 3]
    assert meter.batches == {("policy_values", 2): 1, ("pullback_with_values", 2): 3}
