"""Estimators over a solver of one lane's ODE: SciPy's, and functions in the shape of a user's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import RK23, solve_ivp

from gradpareto.estimators.per_lane import (
    PerLaneBacksolve,
    PerLaneCtpg,
    PerLaneEstimator,
    PerLaneGaussAdjoint,
)
from gradpareto.estimators.solvers.per_lane.scipy_solver import ScipySolver
from gradpareto.estimators.solvers.per_lane.solver import LaneSolver
from gradpareto.estimators.solvers.per_lane.user_solver import UserSolver
from gradpareto.systems import Array, Problem
from tests.estimators.test_breakpoints import X0, Gear
from tests.estimators.test_breakpoints import problem as jumping

FORMS = [PerLaneCtpg, PerLaneGaussAdjoint, PerLaneBacksolve]


def dop853(rhs: Any, span: tuple[float, float], y0: Array, tolerance: float) -> Any:
    return solve_ivp(
        rhs, span, y0, "DOP853", rtol=tolerance, atol=1e-3 * tolerance, dense_output=True
    ).sol


def timeless(rhs: Any, span: tuple[float, float], y0: Array, tolerance: float) -> Any:
    found = dop853(rhs, span, y0, tolerance)
    return lambda t: found(float(t))


SOLVERS = {
    "SciPy's RK45": ScipySolver("RK45"),
    "an OdeSolver": ScipySolver(RK23),
    "with its times": UserSolver(dop853, "dop853"),
    "without": UserSolver(timeless, "timeless"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("which", ["jumping", "quadrotor"])
def test_every_form_is_right_over_every_solver(
    form: type[PerLaneEstimator],
    solver: str,
    which: str,
    short: Callable[..., Problem],
    reference_of: Callable,
    relative_error: Callable,
) -> None:
    """Truth: the certified reference; each halving of the digits asked for is delivered."""
    problem, x0 = jumping(Gear()), X0[:1]
    if which == "quadrotor":
        problem = short(("quadrotor", "initial"), 0.5)
        problem, x0 = problem.sample(np.random.default_rng(1), 1)
    reference = reference_of(problem, x0)
    loose, tight = (
        relative_error(form(SOLVERS[solver])(problem, x0, tolerance), reference)[0]
        for tolerance in (1e-4, 1e-7)
    )
    assert loose < 30 * 1e-4
    assert tight < 30 * 1e-7


def test_the_quadrature_refines_where_the_solver_s_steps_are_too_long(
    reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: the reference. One step a segment, exact to rounding, leaves it all to the nodes."""

    def one_step(rhs: Any, span: tuple[float, float], y0: Array, tolerance: float) -> Any:
        found = dop853(rhs, span, y0, 1e-12)

        def solution(t: float) -> Array:
            return np.asarray(found(t))

        solution.t = span  # type: ignore[attr-defined]
        return solution

    problem, solver = jumping(Gear()), UserSolver(one_step, "one step")
    reference = reference_of(problem, X0)
    for tolerance in (1e-3, 1e-6, 1e-9):
        estimate = PerLaneGaussAdjoint(solver)(problem, X0, tolerance)
        assert (relative_error(estimate, reference) < tolerance).all()
        assert estimate.steps.tolist() == [4, 4]  # two segments, there and back


def test_what_the_brought_solver_gives_up_is_its_lane_s_failure() -> None:
    def gives_up(rhs: Any, span: tuple[float, float], y0: Array, tolerance: float) -> Any:
        if span[0] == 0 and y0[0] > 1.5:
            return type("Result", (), {"success": False, "message": "too far", "sol": None})
        return dop853(rhs, span, y0, tolerance)

    x0 = np.array([[1.0], [1.8]])
    both = PerLaneCtpg(UserSolver(gives_up, "mine"))(jumping(Gear()), x0, 1e-6)
    one = PerLaneCtpg(UserSolver(gives_up, "mine"))(jumping(Gear()), x0[:1], 1e-6)
    assert both.failed == {1: "mine: too far"}
    assert np.isnan(both.gradient[1]).all()
    np.testing.assert_array_equal(both.gradient[0], one.gradient[0])


def test_only_the_backsolve_reconstructs() -> None:
    solver: LaneSolver = ScipySolver("DOP853")
    for form in FORMS:
        found = form(solver)(jumping(Gear()), X0, 1e-9).reconstructed
        assert (found is None) == (form is not PerLaneBacksolve)
        if found is not None:
            np.testing.assert_allclose(found, X0, rtol=1e-6)
