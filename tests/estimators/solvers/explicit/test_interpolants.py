"""Interpolants stand for x(t) in the adjoint solve: their order, their price, their ends."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gradpareto.bench.run.meter import metered
from gradpareto.estimators.ctpg import Ctpg
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.interpolants import INTERPOLANTS
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import DOP853, RK4
from gradpareto.systems import TASKS
from tests.estimators.test_breakpoints import X0, Gear, problem

FIXED = replace(DOP853, error=None)
"""A tableau of an order so high that the interpolant's error is all that shows."""
ORDERS = {"linear": 2, "spline": 3, "hermite": 4}


@pytest.mark.parametrize("task", [("lqr", "perturbed"), ("quadrotor", "initial")], ids="-".join)
@pytest.mark.parametrize("interpolant", ORDERS)
def test_the_interpolant_caps_the_order(
    interpolant: str,
    task: tuple[str, str],
    short: Callable,
    reference_of: Callable,
    relative_error: Callable,
) -> None:
    """Truth: the certified reference; the slope of the errors over four meshes."""
    whole, x0 = short(task, 1.0).sample(np.random.default_rng(2), 1)
    reference, estimator = reference_of(whole, x0), Ctpg(FIXED, interpolant=interpolant)
    steps = np.array([8, 16, 32, 64])
    errors = [relative_error(estimator(whole, x0, whole.horizon / n), reference)[0] for n in steps]
    observed = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert estimator.declares.order == ORDERS[interpolant]
    assert observed == pytest.approx(ORDERS[interpolant], abs=0.35), errors


def test_a_spline_does_not_reach_over_a_breakpoint(
    reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: the order that it has where nothing jumps; across the jump it would have the second.

    The spline's own ends, at which it is of that order, are too few to show.
    """
    estimator, reference = Ctpg(RK4, interpolant="spline"), reference_of(problem(Gear()), X0)
    errors = [
        relative_error(estimator(problem(Gear()), X0, 1 / n), reference).max() for n in (20, 80)
    ]
    assert np.log2(errors[0] / errors[1]) / 2 > 2.7


def test_the_spline_is_natural_and_twice_smooth() -> None:
    """Truth: what defines it: x at the knots, x'' continuous inside and zero at both ends.

    Differences of three values of a cubic are its second derivative in the middle.
    """
    task = TASKS["lqr"].problem("perturbed")
    x0 = np.array([[2.0, -1.0], [0.1, 0.2]])
    interpolant = INTERPOLANTS["spline"]
    forward = solve_forward(
        task,
        x0,
        task.segments,
        interpolant.keeping(DOP853),
        Adaptive.from_tolerance(1e-6),
        dense=True,
    )
    assert forward.dense is not None
    spline = interpolant.joined(forward.dense, task.segments)
    for lane in (0, 1):
        rows = np.flatnonzero(spline.lane == lane)
        start, h = spline.start[rows], spline.length[rows]
        assert len(rows) > 3
        points, owner = forward.dense.coefficients[rows, 0], np.full(len(rows), lane)
        np.testing.assert_allclose(spline(owner, start), points, rtol=1e-13)
        part = np.array([0.2, 0.4, 0.6])[:, None]
        a, b, c = spline(owner, start + part * h)
        middle = (a - 2 * b + c) / (0.2 * h[:, None]) ** 2
        a, b, c = spline(owner, start + (part + 0.2) * h)
        later = (a - 2 * b + c) / (0.2 * h[:, None]) ** 2
        first, last = middle - 2 * (later - middle), later + 2 * (later - middle)
        size = np.abs(middle).max()
        np.testing.assert_allclose(first[0], 0, atol=1e-9 * size)
        np.testing.assert_allclose(last[-1], 0, atol=1e-9 * size)
        np.testing.assert_allclose(first[1:], last[:-1], atol=1e-9 * size)


def test_only_what_the_interpolant_reads_is_paid_for() -> None:
    """Truth: DOP853's 3 stages a step that its own needs; on arrival, the slope of the others'."""
    task, x0 = TASKS["lqr"].problem("perturbed"), np.array([[2.0, -1.0]])
    paid = {}
    for name, interpolant in INTERPOLANTS.items():
        counted = metered(task, 1)
        kept = interpolant.keeping(DOP853)
        found = solve_forward(
            counted, x0, task.segments, kept, Adaptive.from_tolerance(1e-6), dense=True
        )
        paid[name] = counted.meter.f_evals[0]
    assert paid["native"] - paid["hermite"] == 3 * found.steps[0]
    assert paid["hermite"] - paid["linear"] == 1
    assert paid["spline"] == paid["linear"]
