"""Adams' solve of the closed loop, forward."""

import numpy as np

from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.multistep.adams import AdamsSolution, solve
from gradpareto.systems import Array, Factors, Problem


def solve_forward(
    problem: Problem, x0: Array, tolerance: float, *, corrected: bool = False, states: bool = False
) -> AdamsSolution:
    """Solve for x and the running cost's integral, both in the error norm: y (B, d + 1).

    With `states`, the integrand is each node's time (N, 1) and the state (N, d) at which its slope
    was evaluated; otherwise there is none.
    """

    def flow(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        slope, cost = problem.flow(lane, t, y[:, :-1])
        return np.column_stack([slope, cost]), (t[:, None], y[:, :-1]) if states else ()

    start = np.column_stack([x0, np.zeros(len(x0), x0.dtype)])
    control = Adaptive.from_tolerance(tolerance)
    return solve(flow, start, problem.segments, control, corrected=corrected)
