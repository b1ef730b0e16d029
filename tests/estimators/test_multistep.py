"""Adams' methods: the polynomials behind them, their order, and what their quadrature resolves."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from scipy.integrate import solve_ivp

from gradpareto.bench.run.meter import metered
from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.multistep import Multistep
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.multistep import adams
from gradpareto.estimators.solvers.multistep.closed_loop import solve_forward
from gradpareto.estimators.solvers.multistep.divided_differences import (
    MOST_NODES,
    antiderivatives,
    basis_integrals,
    partial_weights,
)
from gradpareto.estimators.solvers.multistep.modified_differences import ModifiedDifferences
from gradpareto.estimators.solvers.multistep.nodes import Nodes
from gradpareto.estimators.solvers.multistep.step_point_quadrature import StepPointQuadrature
from gradpareto.estimators.solvers.sketch import sketch
from gradpareto.systems import TASKS, Array, Factors

UNEVEN = np.cumsum(np.random.default_rng(3).uniform(0.5, 1.5, 30))


def weights_of(nodes: Array, upto: float, count: int) -> Array:
    """Weights of the first `count` of some nodes (J,), for an integral from 0."""
    integrals = basis_integrals(nodes[None], np.array([upto]))
    return partial_weights(nodes[None], integrals)[count - 1][:, 0]


@pytest.mark.parametrize("count", [1, 2, 7, MOST_NODES])
def test_the_first_weights_integrate_the_polynomial_through_the_first_nodes(count: int) -> None:
    """Truth: NumPy's antiderivative of a polynomial of degree count - 1."""
    nodes = np.random.default_rng(0).permutation(np.linspace(-1.5, 1.5, MOST_NODES))
    truth = Polynomial(np.random.default_rng(1).standard_normal(count))
    found = weights_of(nodes, 0.7, count) @ truth(nodes[:count])
    assert found == pytest.approx(truth.integ()(0.7), abs=1e-12)


def test_adams_known_coefficients() -> None:
    """Truth: Adams-Bashforth 4 and Adams-Moulton 4 as they are printed, over 24."""
    past = -np.arange(4.0)
    np.testing.assert_allclose(24 * weights_of(past, 1.0, 4), [55, -59, 37, -9], rtol=1e-12)
    np.testing.assert_allclose(24 * weights_of(past + 1, 1.0, 4), [9, 19, -5, 1], rtol=1e-12)


def test_antiderivatives_in_powers_are_the_integrals() -> None:
    """Truth: the integrals by quadrature, at times inside and outside the interval."""
    nodes = np.random.default_rng(0).uniform(-1.5, 1.5, (3, 6))
    upto = np.array([0.0, 0.4, 1.3])
    powers = upto ** np.arange(1, 7)[:, None]
    found = np.einsum("jkr,kr->rj", antiderivatives(nodes, 6), powers)
    np.testing.assert_allclose(found, basis_integrals(nodes, upto), rtol=1e-11, atol=1e-14)


def test_the_dense_output_at_a_few_times_is_that_at_all() -> None:
    found = adams.solve(pendulum, START, (0.0, 6.0), Adaptive.from_tolerance(1e-8))
    lane, t = np.array([0, 1, 1, 2]), np.array([0.3, 0.0, 5.9, 2.2])
    few = replace(found.dense).at_few(lane, t)
    np.testing.assert_allclose(few, found.dense(lane, t), rtol=1e-14)


def test_more_nodes_than_the_integrals_are_exact_for_are_refused() -> None:
    with pytest.raises(ValueError, match="14 nodes, not 15"):
        basis_integrals(np.arange(15.0)[None], np.ones(1))


@pytest.mark.parametrize("order", [1, 2, 5, 12])
def test_a_step_integrates_the_polynomials_through_the_last_slopes(order: int) -> None:
    """Truth: NumPy's antiderivatives, over uneven steps. Another row rejects every other step."""
    rng = np.random.default_rng(order)
    slope, points = Polynomial(rng.standard_normal(order + 3)), np.cumsum(rng.uniform(0.5, 1, 20))
    points -= points[-2]
    t, orders = points[[0, 0]], np.ones(2, dtype=int)
    differences = ModifiedDifferences(t, slope(t)[:, None], 1.0)
    for n, new in enumerate(points[1:]):
        change = differences.predict(new - t, orders)
        correction, terms = differences.correct(slope(np.full((2, 1), new)))
        assert change[1] == pytest.approx((new - t[1]) * slope(t[1]), rel=1e-12)
        t = np.where([True, n % 2 == 0], new, t)
        differences.accept(t, t == new)
        orders[0] = min(orders[0] + (n + 1 > orders[0]), order)

    def through(at: Array) -> float:
        antiderivative = Polynomial.fit(at, slope(at), len(at) - 1).integ()
        return antiderivative(points[-1]) - antiderivative(points[-2])

    bashforth = through(points[-order - 1 : -1])
    lower, moulton, higher = (through(points[-order - more :]) for more in (0, 1, 2))
    assert change[0, 0] == pytest.approx(bashforth, rel=1e-9)
    assert change[0, 0] + correction[0, 0] == pytest.approx(moulton, rel=1e-9)
    assert terms[:2, 0, 0] == pytest.approx([moulton - lower, higher - moulton], rel=1e-6)


def test_a_rule_over_two_groups_integrates_each() -> None:
    """Truth: antiderivatives of two functions; what is beyond the jump between them is not read."""
    time = np.concatenate([UNEVEN, UNEVEN])
    group = np.repeat([0, 3], len(UNEVEN))
    values = np.where(group == 0, np.sin(time / 3), 1e6 + time)[:, None]
    nodes = Nodes.sorting(group, time)
    rule = nodes.composite_rule(values, nodes.intervals)
    found, own = (rule.weights * values[rule.rows, 0]).sum(axis=1), group[nodes.intervals] == 0
    first, last = UNEVEN[0], UNEVEN[-1]
    sine = 3 * (np.cos(first / 3) - np.cos(last / 3))
    assert 0 < abs(found[own].sum() - sine) < rule.error[own].sum() < 1e-6
    line = 1e6 * (last - first) + (last**2 - first**2) / 2
    assert found[~own].sum() == pytest.approx(line, rel=1e-12)


def test_a_kink_shows_in_the_error_of_its_interval_and_is_not_reached_across() -> None:
    """Truth: |t - c| has no error where no node beyond c is used, and the most at c."""
    kink = 0.5 * (UNEVEN[14] + UNEVEN[15])
    nodes = Nodes.sorting(np.zeros(30, dtype=int), UNEVEN)
    rule = nodes.composite_rule(np.abs(UNEVEN - kink)[:, None], nodes.intervals)
    assert rule.error.argmax() == 14
    assert rule.error[14] > 1e-3
    assert rule.error[[0, 5, 22, 28]].max() < 1e-12


def pendulum(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
    """From 10 t, which is the time's own: x'' = -sin x + cos t."""
    return np.column_stack([y[:, 1], np.cos(t) - np.sin(y[:, 0])]), (t[:, None],)


START = np.array([[1.0, 0.0], [0.1, 0.3], [2.0, -1.0]])


@pytest.mark.parametrize("times", [(0.0, 6.0), (0.0, 2.0, 6.0), (6.0, 1.5, 0.0)])
@pytest.mark.parametrize("corrected", [False, True])
def test_the_solution_and_its_dense_output_follow_the_tolerance(
    times: tuple[float, ...], corrected: bool
) -> None:
    """Truth: DOP853, tight, in both directions and over a stop between."""
    t = np.linspace(times[0], times[-1], 41)[1:-1]
    lanes = np.arange(len(START))
    errors = []
    for tolerance in (1e-5, 1e-8):
        found = adams.solve(
            pendulum, START, times, Adaptive.from_tolerance(tolerance), corrected=corrected
        )
        assert set(times) <= set(found.t[found.lane == 1].tolist())
        worst = 0.0
        for lane, start in enumerate(START):
            truth = solve_ivp(
                lambda t, y: pendulum(lanes[:1], np.array([t]), y[None])[0][0],
                (times[0], times[-1]),
                start,
                method="DOP853",
                rtol=1e-12,
                atol=1e-12,
                t_eval=np.append(t, times[-1]),
            ).y.T
            between = found.dense(np.full(1, lane), t[:, None])[:, 0]
            worst = max(worst, np.abs(np.vstack([between, found.y[lane]]) - truth).max())
        errors.append(worst)
        assert worst < 30 * tolerance
    assert errors[1] < errors[0] / 100


def test_the_order_rises_where_the_solution_is_smooth_and_every_lane_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Truth: order 4 needs more than twice the steps for 1e-9; the lanes' counts differ."""
    seen: list[int] = []
    best = adams._best_order

    def spied(*given: Array) -> tuple[Array, Array]:
        orders, growths = best(*given)
        seen.extend(orders.tolist())
        return orders, growths

    monkeypatch.setattr(adams, "_best_order", spied)
    found = adams.solve(pendulum, START, (0.0, 10.0), Adaptive.from_tolerance(1e-9))
    assert max(seen) >= 8
    assert len(set(found.steps.tolist())) > 1
    for lane in range(len(START)):
        own = found.t[found.lane == lane]
        assert len(own) == 1 + found.steps[lane]
        assert (np.diff(own) > 0).all()
    monkeypatch.setattr(adams, "MOST_ORDER", 4)
    low = adams.solve(pendulum, START, (0.0, 10.0), Adaptive.from_tolerance(1e-9))
    assert (low.steps > 2 * found.steps).all()


def test_a_sketch_is_linear_and_of_the_cotangents_size() -> None:
    """Truth: the contraction it stands for."""
    problem = TASKS["quadrotor"].problem("initial")
    problem, x = problem.sample(np.random.default_rng(0), 12)
    a = np.random.default_rng(1).standard_normal(x.shape)
    lane, one = np.arange(12), np.ones(12)

    def factors(scale: float) -> Factors:
        return problem.pullback(lane, 0 * one, x, scale * a, 0 * one)[1]

    sizes = np.linalg.norm(problem.contract([factors(1.0)], np.ones((1, 1)))[0], axis=1)
    ratio = np.linalg.norm(sketch(factors(1.0)), axis=1) / sizes
    assert 0.5 < np.median(ratio) < 2
    np.testing.assert_allclose(sketch(factors(-3.0)), -3 * sketch(factors(1.0)), rtol=1e-10)


def test_nodes_of_its_own_resolve_what_the_adjoints_steps_do_not() -> None:
    """Truth: DOP853, tight. The adjoint's own steps leave most of the theta-integral's error."""
    problem, x0 = TASKS["quadrotor"].problem("initial").sample(np.random.default_rng(0), 1)
    truth = ESTIMATORS["ctpg-dop853"](problem, x0, 1e-7).gradient
    resolved = ESTIMATORS["multistep_adjoint"](problem, x0, 1e-4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "gradpareto.estimators.multistep.StepPointQuadrature.refine", lambda *given: None
        )
        bare = ESTIMATORS["multistep_adjoint"](problem, x0, 1e-4)
    np.testing.assert_array_equal(bare.grad_x0, resolved.grad_x0)
    error = [np.linalg.norm(e.gradient - truth) / np.linalg.norm(truth) for e in (bare, resolved)]
    assert error[0] > 1e-4 > 10 * error[1]


def test_the_rule_that_halving_renews_is_that_of_all_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the rule over all intervals, chosen afresh when the last one has been halved."""
    seen: list[StepPointQuadrature] = []
    contracted = StepPointQuadrature.gradient

    def spied(self: StepPointQuadrature) -> Array:
        seen.append(self)
        return contracted(self)

    monkeypatch.setattr(StepPointQuadrature, "gradient", spied)
    problem, x0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(0), 3)
    ESTIMATORS["multistep_adjoint"](problem, x0, 1e-6)
    (found,) = seen
    assert len(found.factors) > len(found.adjoint.integrands) + 1
    rule = found.nodes.composite_rule(found.sketches, found.nodes.intervals)
    weights = np.bincount(rule.rows.ravel(), rule.weights.ravel())
    np.testing.assert_allclose(found.weights, weights, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(found.error[found.nodes.row[found.nodes.intervals]], rule.error)
    total = np.zeros_like(found.total)
    np.add.at(total, found.lane, weights[:, None] * found.sketches)
    np.testing.assert_allclose(found.total, total, rtol=1e-9)


def test_all_lanes_lost_are_all_reported() -> None:
    problem = TASKS["lqr"].problem("perturbed")
    with np.errstate(all="ignore"):
        found = Multistep()(problem, np.full((2, 2), 1e200), 1e-3)
    assert set(found.failed) == {0, 1}
    assert np.isnan(found.gradient).all()


def test_behind_a_stop_a_solve_starts_afresh() -> None:
    """Truth: another solve from there, step by step: nothing before the stop is remembered."""
    found = adams.solve(pendulum, START[:1], (0.0, 3.0, 6.0), Adaptive.from_tolerance(1e-8))
    at = np.flatnonzero(found.t == 3.0)
    assert len(at) == 2
    there = found.dense(np.array([0]), np.array([[3.0]]))[0]
    fresh = adams.solve(pendulum, there, (3.0, 6.0), Adaptive.from_tolerance(1e-8))
    np.testing.assert_array_equal(found.t[at[1] :], fresh.t)
    np.testing.assert_array_equal(found.y, fresh.y)


def test_an_integral_that_all_but_vanishes_is_not_resolved() -> None:
    """Truth: at the LQR's optimum dL/dtheta is 1e-5 of dL/dx0, and the error is of both together.

    Elsewhere on the same system the integral is what takes the nodes; here it takes none.
    """
    spent = []
    for preset in ("optimal", "perturbed"):
        problem, x0 = TASKS["lqr"].problem(preset).sample(np.random.default_rng(0), 4)
        counted = metered(problem, len(x0))
        ESTIMATORS["multistep_adjoint"](counted, x0, 1e-4)
        spent.append(counted.meter.vjp_evals)
    assert (spent[0] < 1.5 * spent[1]).all()


def test_the_discrete_adjoint_is_the_derivative_of_the_steps_taken_again() -> None:
    """Truth: complex steps through the same lengths and orders, with weights made from moments.

    A stop makes the solve start afresh; the orders reach 4, so that 1e-10 is far above rounding.
    """
    problem, x0 = TASKS["quadrotor"].problem("initial").sample(np.random.default_rng(0), 1)
    problem = replace(problem, stops=(0.4 * problem.horizon,))
    lane = np.zeros(1, dtype=int)
    found = solve_forward(problem, x0, 1e-4, states=True)
    assert found.order.max() >= 4
    evaluated = np.concatenate([times for times, _ in found.integrands])

    def weights(nodes: Array) -> Array:
        powers = np.arange(len(nodes))
        return np.linalg.solve(nodes ** powers[:, None], 1 / (powers + 1))

    def loss(shift: Array) -> complex:
        moved = problem.with_theta(problem.theta + shift[x0.shape[1] :])
        y, times, slopes = np.append(x0[0] + shift[: x0.shape[1]], 0), [], []
        for t, order, (at,) in zip(found.t, found.order, evaluated, strict=True):
            predicted = y
            if not order:
                times, slopes = [], []
            else:
                h, past = t - times[-1], np.array(times[: -order - 1 : -1])
                back, last = (past - times[-1]) / h, slopes[: -order - 1 : -1]
                predicted = y + h * weights(back) @ last
            flow = moved.flow(lane, np.array([at]), predicted[None, :-1])
            slope = np.concatenate([flow[0][0], flow[1]])
            if order:
                y = y + h * weights(np.append(1, back)) @ [slope, *last]
            times.append(t)
            slopes.append(slope)
        return y[-1] + problem.terminal(y[None, :-1])[0]

    estimate = ESTIMATORS["bptt-adams"](problem, x0, 1e-4)
    assert estimate.loss[0] == pytest.approx(loss(np.zeros(estimate.gradient.shape[1])), rel=1e-12)
    for direction in np.random.default_rng(1).standard_normal((3, estimate.gradient.shape[1])):
        truth = loss(1e-30j * direction).imag / 1e-30
        assert estimate.gradient[0] @ direction == pytest.approx(truth, rel=1e-10)
