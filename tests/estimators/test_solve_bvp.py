"""SciPy's boundary-value solver: what it is made to pay, and what happens when it gives up."""

from typing import Any

import numpy as np
import pytest
import scipy

import gradpareto.estimators.solve_bvp as over_scipy
from gradpareto.bench.run.meter import metered
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Array

PROBLEM = TASKS["lqr"].problem("perturbed")
D = 2


def test_it_is_counted_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the nodes of every call that SciPy makes, and what comes before and after.

    Before: Radau's method, 2 stages in 16 steps, 2 iterations each way, one Jacobian. After: 3
    quadrature nodes in each interval of the mesh that SciPy ended with.
    """
    nodes, intervals, solve_bvp = [0, 0], [0, 0], scipy.integrate.solve_bvp
    lane = iter(range(2))

    def spied(fun: Any, *args: Any, **options: Any) -> Any:
        index = next(lane)

        def called(s: Array, y: Array) -> Array:
            nodes[index] += len(s)
            return fun(s, y)

        result = solve_bvp(called, *args, **options)
        intervals[index] = len(result.x) - 1
        return result

    monkeypatch.setattr(scipy.integrate, "solve_bvp", spied)
    counted = metered(PROBLEM, 2)
    estimate = ESTIMATORS["solve_bvp"](counted, np.array([[2.0, -1.0], [0.1, 0.2]]), 1e-4)
    expected = np.array(nodes) + 2 * 2 * 16 + 3 * np.array(intervals)
    np.testing.assert_array_equal(counted.meter.f_evals, expected)
    np.testing.assert_array_equal(counted.meter.vjp_evals, expected)
    np.testing.assert_array_equal(counted.meter.jac_evals, [D, D])
    np.testing.assert_array_equal(estimate.steps, intervals)


def test_a_mesh_that_grows_too_large_fails_its_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_scipy, "MOST_NODES", 20)
    problem, x0 = TASKS["quadrotor"].problem("trained").sample(np.random.default_rng(0), 1)
    found = ESTIMATORS["solve_bvp"](problem, x0, 1e-6)
    assert "nodes" in found.failed[0]
    assert np.isnan(found.gradient).all()
