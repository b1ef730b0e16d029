"""Back-propagation through the accepted steps of Adams' method, whose mesh is taken as given."""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.multistep.closed_loop import solve_forward
from gradpareto.estimators.solvers.multistep.transposed_steps import reverse_steps
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class AdamsBptt(Estimator):
    """The exact gradient of the discretised loss on the steps that Adams' method accepted.

    Their lengths and orders are held constant. A step takes one evaluation forward, at the state
    that it predicts, and one pullback there.

    The step control sees the error of x alone. The derivative of x by x0 or theta goes through the
    same steps, whose orders and lengths, most of all at the beginning, may be too coarse for it:
    that part of the gradient's error falls more slowly than the tolerance.
    """

    tight: float = 1e-10

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            exact=True,
            tolerance_exponent=0.5,
            source="Sandu 2007 (TR-07-40); Hairer, Norsett, Wanner 1993, III.5-7",
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)
        forward, width = solve_forward(problem, x0, setting, states=True), x0.shape[1]
        x_end, cost = forward.y[:, :width], forward.y[:, width]
        grad_x0, grad_theta = reverse_steps(problem, forward, problem.terminal_gradient(x_end))
        loss = cost + problem.terminal(x_end)
        return Estimate(loss, grad_x0, grad_theta, forward.steps, forward.failed)
