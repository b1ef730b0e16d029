"""Neural ODE: the state is not stored but integrated again, backward, beside the adjoint.

x' = f, alpha' = -(df/dx)^T alpha - dw/dx and the theta-gradient's integral are one ODE from T to 0
(Chen et al. 2018).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.closed_loop import solve_forward, theta_gradient
from gradpareto.estimators.solvers.explicit.runge_kutta import solve
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array, Factors, Problem


@dataclass(frozen=True)
class NeuralOde(Estimator):
    """Solve (x, alpha, g) from T to 0 as one ODE, with a memory that does not grow with the steps.

    Where the closed loop contracts at a rate lambda, going backward multiplies errors by
    exp(lambda T) (paper, section 3.3). With `checkpoints`, the state is stored at that many equally
    spaced times and reset there (ANODE, Gholami et al. 2019): exp(lambda T / checkpoints) is left.
    """

    tableau: Tableau
    checkpoints: int = 1
    tight: float = 1e-11

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            order=self.tableau.order,
            memory=0.0,
            reconstructs=True,
            source="Chen et al. 2018" + ("; Gholami et al. 2019" if self.checkpoints > 1 else ""),
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        control, width = Adaptive.from_tolerance(setting), x0.shape[1]
        knots = np.linspace(0, problem.horizon, self.checkpoints + 1)
        times = tuple(np.union1d(problem.segments, knots).tolist())
        forward = solve_forward(problem, x0, times, self.tableau, control, dense=False)
        stored = {k: forward.stops[k].copy() for k, t in enumerate(times) if t in knots}
        loss, steps, lost, x_end = forward.integral[:, 0], forward.steps, forward.failed, forward.y
        del forward

        def backward_in_time(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
            x, alpha = y[:, :width], y[:, width:]
            slope, _ = problem.flow(lane, t, x)
            gx, factors = problem.pullback(lane, t, x, alpha, np.ones_like(x[:, 0]))
            return np.hstack([slope, -gx]), factors

        def reset(index: int, y: Array) -> None:
            # Not at 0: nothing is left to integrate, and what arrives is the reconstruction.
            if (knot := len(times) - 1 - index) and knot in stored:
                y[:, :width] = stored[knot]

        backward = solve(
            backward_in_time,
            np.hstack([x_end, problem.terminal_gradient(x_end)]),
            times[::-1],
            self.tableau,
            control,
            theta_gradient(problem, controlled=True),
            at_stop=reset,
            lost=lost,
        )
        return Estimate(
            loss=loss + problem.terminal(x_end),
            grad_x0=backward.y[:, width:],
            grad_theta=-backward.integral,
            steps=steps + backward.steps,
            failed=backward.failed,
            reconstructed=backward.y[:, :width],
        )
