"""The theta-gradient as a quadrature along two dense outputs, one of which goes back in time."""

import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad_vec

from gradpareto.bench.run.meter import metered
from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.solvers import gauss_quadrature
from gradpareto.estimators.solvers.closed_loop import solve_adjoint, solve_forward
from gradpareto.estimators.solvers.explicit.dense_output import DenseOutput
from gradpareto.estimators.solvers.explicit.quadrature_variables import NO_QUADRATURE
from gradpareto.estimators.solvers.explicit.runge_kutta import solve
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import TABLEAUS
from gradpareto.estimators.solvers.gauss_quadrature import (
    gauss_kronrod,
    gauss_on_steps,
    kronrod_rule,
)
from gradpareto.systems import TASKS, Array, Factors, Problem
from tests.estimators.test_breakpoints import Gear
from tests.estimators.test_breakpoints import problem as geared

PROBLEM = TASKS["lqr"].problem("perturbed")
X0 = np.array([[2.0, -1.0], [0.001, 0.002], [30.0, 5.0]])
"""Lanes of different numbers of steps."""
TABLEAU = TABLEAUS["DOP853"]


def dense(problem: Problem, x0: Array, tolerance: float) -> tuple[DenseOutput, DenseOutput]:
    """x and alpha."""
    control, times = Adaptive.from_tolerance(tolerance), problem.segments
    forward = solve_forward(problem, x0, times, TABLEAU, control, dense=True)
    end = problem.terminal_gradient(forward.y)
    backward = solve_adjoint(
        problem, end, times, TABLEAU, control, NO_QUADRATURE, path=forward.dense, dense=True
    )
    assert forward.dense is not None
    assert backward.dense is not None
    return forward.dense, backward.dense


def by_scipy(problem: Problem, x: DenseOutput, alpha: DenseOutput, lane: int) -> Array:
    """The integral of one lane, by SciPy, from breakpoint to breakpoint."""

    def integrand(t: float) -> Array:
        at, when = np.array([lane]), np.array([t])
        _, node = problem.pullback(at, when, x(at, when), alpha(at, when), np.ones(1))
        return np.asarray(problem.contract([node], np.ones((1, 1)))[0, 0])

    parts = [
        quad_vec(integrand, left, right, epsrel=1e-13, epsabs=1e-14)[0]
        for left, right in pairwise(problem.segments)
    ]
    return np.sum(parts, axis=0)


@pytest.mark.parametrize("name", [n for n, t in TABLEAUS.items() if t.error is not None])
def test_dense_output_of_a_solve_back_in_time(name: str) -> None:
    """Truth: y = exp(-rate t), a rate each lane, from 2 to 0 with a stop at 1; ends included."""
    rates = np.array([0.3, 2.0, 5.0])

    def rhs(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        return -rates[lane, None] * y, ()

    end = np.exp(-2 * rates)[:, None]
    # A pair of low order takes thousands of steps on the way to less.
    tolerance = 1e-9 if TABLEAUS[name].order > 3 else 1e-6
    found = solve(
        rhs,
        end,
        (2.0, 1.0, 0.0),
        TABLEAUS[name],
        Adaptive.from_tolerance(tolerance),
        NO_QUADRATURE,
        dense=True,
    )
    assert found.dense is not None
    assert len(set(found.steps.tolist())) == 3
    t = np.linspace(0, 2, 41)
    for lane, rate in enumerate(rates):
        y = found.dense(np.full(len(t), lane), t)[:, 0]
        np.testing.assert_allclose(y, np.exp(-rate * t), rtol=100 * tolerance)


@pytest.mark.parametrize("nodes", [3, 7, 10])
def test_kronrods_rule(nodes: int) -> None:
    """Truth: powers of t over [0, 1], to the degrees that define the two rules, and no further."""
    points, kronrod, gauss = kronrod_rule(nodes)
    assert len(points) == 2 * nodes + 1
    assert ((points > 0) & (points < 1) & (kronrod > 0)).all()
    for weights, degree in ((gauss, 2 * nodes - 1), (kronrod, 3 * nodes + 1 + nodes % 2)):
        for power in range(degree + 1):
            assert weights @ points**power == pytest.approx(1 / (power + 1), rel=2e-14)
    legendre = np.polynomial.legendre.Legendre.basis(nodes, domain=[0, 1])
    assert gauss @ legendre(points) ** 2 == pytest.approx(0, abs=1e-15)
    assert kronrod @ legendre(points) ** 2 == pytest.approx(1 / (2 * nodes + 1), rel=1e-13)


def test_both_quadratures_of_lanes_of_different_steps() -> None:
    """Truth: SciPy's own, lane by lane."""
    x, alpha = dense(PROBLEM, X0, 1e-8)
    assert len(set(np.bincount(alpha.lane).tolist())) > 1
    truth = np.stack([by_scipy(PROBLEM, x, alpha, lane) for lane in range(len(X0))])
    size = np.linalg.norm(truth, axis=1)
    by_steps = gauss_on_steps(PROBLEM, x, alpha, len(X0), 8)
    assert (np.linalg.norm(by_steps - truth, axis=1) <= 1e-9 * size).all()
    paid = []
    for tolerance in (1e-4, 1e-8):
        counted = metered(PROBLEM, len(X0))
        found = gauss_kronrod(counted, x, alpha, len(X0), PROBLEM.segments, tolerance, 1e-15)
        assert (np.linalg.norm(found - truth, axis=1) <= tolerance * size).all()
        paid.append(counted.meter.vjp_evals)
    assert (paid[0] < paid[1]).all()
    assert not (paid[1] % 15).any()


def test_halving_goes_on_until_the_errors_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the sum of what is accepted and of what is open, round by round, in one lane."""
    rounds: list[tuple[Array, Array]] = []
    too_rough = gauss_quadrature.too_rough

    def judged(errors: Array, *bounds: Array) -> Array:
        rounds.append((errors, too_rough(errors, *bounds)))
        return rounds[-1][1]

    monkeypatch.setattr(gauss_quadrature, "too_rough", judged)
    x, alpha = dense(PROBLEM, X0[:1], 1e-8)
    found = gauss_kronrod(PROBLEM, x, alpha, 1, PROBLEM.segments, 1e-7, 1e-15)
    allowed, accepted = 1e-7 * np.linalg.norm(found), 0.0
    assert len(rounds) > 2
    for errors, rough in rounds[:-1]:
        assert accepted + errors.sum() > allowed
        accepted += errors[~rough].sum()
    assert accepted + rounds[-1][0].sum() <= allowed


def test_intervals_start_from_the_segments() -> None:
    """Truth: the integrand has a kink at the breakpoint, and is smooth beside it."""
    task, x0 = geared(Gear()), Gear().sample_x0(np.random.default_rng(0), 1)
    x, alpha = dense(task, x0, 1e-6)
    paid = []
    for segments in (task.segments, (0.0, 1.0)):
        counted = metered(task, 1)
        found = gauss_kronrod(counted, x, alpha, 1, segments, 1e-10, 1e-13)
        truth = by_scipy(task, x, alpha, 0)
        assert np.linalg.norm(found[0] - truth) <= 1e-10 * np.linalg.norm(truth)
        paid.append(counted.meter.vjp_evals[0])
    assert paid[0] < paid[1] / 2


def test_fewer_nodes_than_the_order_needs_lower_it(
    short: Callable, reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: the reference; more nodes on the same steps, whose own error is far smaller."""
    task, x0 = short(("quadrotor", "initial"), 2.0).sample(np.random.default_rng(3), 1)
    reference = reference_of(task, x0)
    usual, more = (
        relative_error(ESTIMATORS[name](task, x0, 1e-5), reference)[0]
        for name in ("gauss_adjoint", "gauss_adjoint-5")
    )
    assert more < usual / 10


@pytest.mark.parametrize(
    "name", ["gauss_adjoint-rk4", "gauss_adjoint", "quadrature_adjoint", "ctpg-checkpointed"]
)
def test_a_lost_lane_is_nan_and_leaves_the_others_alone(name: str) -> None:
    """Truth: the other lane by itself."""
    x0, setting = np.array([[1e308, 1e308], [1.0, -1.0]]), 0.05 if "rk4" in name else 1e-5
    with np.errstate(all="ignore"):
        both = ESTIMATORS[name](PROBLEM, x0, setting)
    alone = ESTIMATORS[name](PROBLEM, x0[1:], setting)
    assert list(both.failed) == [0]
    assert np.isnan(both.grad_theta[0]).all()
    np.testing.assert_allclose(both.gradient[1], alone.gradient[0], rtol=1e-9)


def test_one_stretch_at_a_time_is_less_to_hold() -> None:
    """Truth: tracemalloc's peak, against that of the whole trajectory's dense output."""
    x0 = np.random.default_rng(0).standard_normal((8, 2))
    peaks = []
    for name in ("ctpg", "ctpg-checkpointed"):
        ESTIMATORS[name](PROBLEM, x0, 1e-3)
        tracemalloc.start()
        ESTIMATORS[name](PROBLEM, x0, 1e-9)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] / 2
