"""The seminorm: the parameter gradient rides along an adjoint that does not know of it."""

from dataclasses import replace

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.quadrature_variables import QuadratureVariables
from gradpareto.estimators.solvers.explicit.runge_kutta import RungeKuttaSolution, solve
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import TSIT5
from gradpareto.systems import TASKS, Array, Factors, Problem

TOLERANCE = 1e-6
NOTHING = QuadratureVariables(size=0, contract=lambda nodes, weights: lambda rows, out: None)


def adjoint_alone(problem: Problem, x0: Array) -> tuple[RungeKuttaSolution, RungeKuttaSolution]:
    """Forward, and back with no integral beside the adjoint."""
    control, times = Adaptive.from_tolerance(TOLERANCE), problem.segments
    forward = solve_forward(problem, x0, times, TSIT5, control, dense=True)

    def adjoint(lane: Array, t: Array, alpha: Array, x: Array) -> tuple[Array, Factors]:
        return -problem.pullback(lane, t, x, alpha, np.ones(len(x)))[0], ()

    end = problem.terminal_gradient(forward.y)
    return forward, solve(adjoint, end, times[::-1], TSIT5, control, NOTHING, path=forward.dense)


@pytest.mark.parametrize("system", ["differential_drive", "electric", "heat"])
def test_the_integral_costs_no_step_and_saves_none(system: str) -> None:
    """Truth: the adjoint by itself, in steps and to the last bit; `ctpg` takes others.

    Not always more: among d + P components, small errors of the integral make room for the
    adjoint's.
    """
    problem = replace(TASKS[system].problem("initial"), horizon=0.5)
    problem, x0 = problem.sample(np.random.default_rng(0), 2)
    forward, alone = adjoint_alone(problem, x0)
    found = ESTIMATORS["ctpg-seminorm"](problem, x0, TOLERANCE)
    np.testing.assert_array_equal(found.steps, forward.steps + alone.steps)
    np.testing.assert_array_equal(found.grad_x0, alone.y)
    both = ESTIMATORS["ctpg"](problem, x0, TOLERANCE)
    assert (both.steps != found.steps).any()
    assert (both.grad_x0 != found.grad_x0).any()
