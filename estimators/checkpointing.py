"""The discrete adjoint from few stored states: the steps between them are taken again going back.

The recurrence is that of `bptt`; the schedule is binomial (Griewank and Walther 2000), or places
states while the number of steps is unknown (Wang, Moin and Iaccarino 2009).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration, Knob
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.step_control import Adaptive, Fixed
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import AcceptedMesh, FixedMesh
from gradpareto.estimators.solvers.reverse.discrete_adjoint import reverse
from gradpareto.estimators.solvers.reverse.recomputation import Recomputation
from gradpareto.estimators.solvers.reverse.schedules import OnlinePlacement, Placement
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Checkpointed(Estimator):
    """The discrete adjoint that holds at most `checkpoints` states at a time.

    The number of fixed steps is known, and states are kept at binomial places (Revolve, Griewank
    and Walther 2000). With `online`, steps are adaptive, and the places move as long as the number
    of steps is unknown (Wang, Moin and Iaccarino 2009). The beginning of each accepted step is kept
    as one number, so the bytes do grow with the steps, but by 8 each. A step is taken again with
    its known length: the control judges no step twice, and rounding, which its error estimates
    magnify, cannot lead to other steps.
    """

    tableau: Tableau
    checkpoints: int = 8
    online: bool = False
    tight: float = 0.02

    @property
    def declares(self) -> Declaration:
        """The declaration; the memory of `online` is that of two states from 100 to 1000 steps.

        The checkpoints take a constant size, and the accepted steps 8 bytes each: the exponent is 0
        for few steps or many states, and 1 in the limit, where a stored trajectory is larger by a
        factor of at least the number of states. The calls leave out those of steps that are taken
        more than twice, if there are more steps than checkpoints.
        """
        knob: Knob
        if self.online:
            knob, memory, source = "tolerance", 0.5, "Wang, Moin and Iaccarino 2009, Alg. 1"
        else:
            knob, memory, source = "step", 0.0, "Griewank and Walther 2000"
        return Declaration(
            knob=knob,
            tight=self.tight,
            calls_per_step=3 * self.tableau.without_estimate().stages - 1,
            order=self.tableau.order,
            exact=True,
            memory=memory,
            source=source,
        )

    def calls(self, problem: Problem, setting: float) -> float:
        if self.online:
            return np.nan
        steps, s = (
            FixedMesh(problem.segments, setting).steps,
            self.tableau.without_estimate().stages,
        )
        again = Placement.whole(self.checkpoints, steps).taken_again()
        return float((3 * s - 1) * steps + s * again)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)
        # A stage that only the error estimate reads is not taken again, and has no cotangent.
        fixed = self.tableau.without_estimate().astype(x0.dtype)
        tableau = self.tableau if self.online else fixed
        control = Adaptive.from_tolerance(setting) if self.online else Fixed(setting)
        recomputation = self._recomputation(problem, fixed, x0, setting)
        forward = solve_forward(
            problem, x0, problem.segments, tableau, control, on_step=recomputation
        )
        loss, steps, failed = forward.integral[:, 0], forward.steps, forward.failed
        x_end = forward.y
        del forward
        adjoint = problem.terminal_gradient(x_end)
        grad_x0, grad_theta = reverse(problem, fixed, recomputation.backward(failed), adjoint)
        for lane in failed:
            grad_x0[lane] = grad_theta[lane] = np.nan
        return Estimate(loss + problem.terminal(x_end), grad_x0, grad_theta, steps, failed)

    def _recomputation(
        self, problem: Problem, fixed: Tableau, x0: Array, setting: float
    ) -> Recomputation:
        mesh: FixedMesh | AcceptedMesh
        placements: list[Placement]
        if self.online:
            mesh = AcceptedMesh(len(x0), problem.horizon)
            placements = [OnlinePlacement(self.checkpoints) for _ in x0]
        else:
            mesh = FixedMesh(problem.segments, setting)
            placements = [Placement(self.checkpoints, mesh.steps) for _ in x0]
        return Recomputation(problem, fixed, mesh, placements, x0)
