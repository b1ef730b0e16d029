"""Back-propagation through the accepted steps of an adaptive solve, whose mesh is taken as given.

The recurrence is that of `bptt`, over the steps that the control accepted (Alexe and Sandu 2009).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.reverse.discrete_adjoint import reverse
from gradpareto.estimators.solvers.reverse.recurrences import Partner, Transposed
from gradpareto.estimators.solvers.reverse.tape import Tape
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class AdaptiveBptt(Estimator):
    """The exact gradient of the discretised loss on the steps that the control accepted.

    The mesh is held constant, since differentiating the control adds a term that does not converge
    (Eberhard and Bischof 1999; Alexe and Sandu 2009). Stage states are stored; with `replay` they
    are evaluated again from the state at each step's beginning, one step at a time (ACA). With
    `partner`, the adjoint is that of the symplectic pair, which equals the other to rounding.
    """

    tableau: Tableau
    replay: bool = False
    partner: bool = False
    tight: float = 1e-9

    @property
    def declares(self) -> Declaration:
        source = "Zhuang et al. 2020 (arXiv 2006.02493)" if self.replay else "Alexe and Sandu 2009"
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            calls_per_step=(2 + self.replay) * self.tableau.stages,
            order=self.tableau.order,
            exact=True,
            source="Matsubara et al. 2021; Sanz-Serna 2016" if self.partner else source,
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)
        # A stage that only the error estimate reads has no cotangent.
        tableau = self.tableau.without_estimate().astype(x0.dtype)
        tape = Tape(problem, tableau, stages=not self.replay)
        control = Adaptive.from_tolerance(setting)
        forward = solve_forward(problem, x0, problem.segments, self.tableau, control, on_step=tape)
        loss, steps, failed = forward.integral[:, 0], forward.steps, forward.failed
        x_end = forward.y
        del forward
        adjoint = problem.terminal_gradient(x_end)
        recurrence = Partner() if self.partner else Transposed()
        grad_x0, grad_theta = reverse(
            problem, tableau, tape.backward(), adjoint, recurrence=recurrence
        )
        return Estimate(loss + problem.terminal(x_end), grad_x0, grad_theta, steps, failed)
