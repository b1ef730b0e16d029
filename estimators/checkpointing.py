"""The discrete adjoint from few states: steps are taken again, by a schedule, on the way back."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from estimators.ctpg import adaptive, costed
from estimators.estimate import Estimate, Estimator, Knob
from estimators.solvers.discrete_adjoint import ThetaSum, pull_stages
from estimators.solvers.engine import Engine
from estimators.solvers.mesh import step_count
from estimators.solvers.rewinding import Rewinding
from estimators.solvers.schedules import OnlinePlacement, Placement
from estimators.solvers.step_control import Fixed
from estimators.solvers.tableaus import Tableau
from systems import Array, Problem


@dataclass(frozen=True)
class Checkpointed(Estimator):
    """At most so many states, `checkpoints`, are held at a time, whatever the number of steps.

    Of fixed steps there is a known number, and the places are binomial (Revolve, Griewank and
    Walther 2000). `online`, steps are adaptive and places move while nobody knows where it ends
    (Wang, Moin and Iaccarino 2009). A checkpoint has what the step control needs, so that the same
    steps are taken again, rejected attempts and all. Beside them there is one state a breakpoint:
    each segment is swept on its own, the last one first.

    Steps are taken again in other batches, which round otherwise, and the error estimate, being a
    difference, magnifies that in the next step's length: to 1e-10 of it in float64. In float32 they
    would be other steps, so `online` works in float64.
    """

    tableau: Tableau
    checkpoints: int = 8
    online: bool = False
    tight: float = 0.02
    exact = True
    memory = 0.0

    @property
    def knob(self) -> Knob:  # type: ignore[override]
        return "tolerance" if self.online else "step"

    @property
    def follows_dtype(self) -> bool:  # type: ignore[override]
        return not self.online

    @property
    def order(self) -> int:  # type: ignore[override]
        return self.tableau.order

    @property
    def calls_per_step(self) -> int:  # type: ignore[override]
        """Without what is taken again and again where there are more steps than checkpoints."""
        return 3 * self.tableau.stages - 1

    def calls(self, problem: Problem, setting: float) -> float:
        if self.online:
            return np.nan
        s, total, ends = self.tableau.without_estimate().stages, 0, problem.segments
        for left, right in pairwise(ends):
            steps, sweeps = step_count(right - left, setting), 1 + (right < ends[-1])
            total += (s * sweeps + 2 * s - 1) * steps
            total += s * Placement.whole(self.checkpoints, steps).taken_again()
        return float(total)

    @property
    def source(self) -> str:  # type: ignore[override]
        return (
            "Wang, Moin and Iaccarino 2009, Alg. 1" if self.online else "Griewank and Walther 2000"
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(np.result_type(x0, problem.theta, *[float][: self.online]), copy=False)
        tableau = self.tableau if self.online else self.tableau.without_estimate()
        control = adaptive(setting) if self.online else Fixed(setting)
        rhs, cost = costed(problem)
        engine = Engine(rhs, x0, tableau, control, cost)
        rewinding = Rewinding(engine, problem, self.checkpoints)

        def placement(left: float, right: float) -> Placement:
            if self.online:
                return OnlinePlacement(self.checkpoints)
            return Placement(self.checkpoints, step_count(right - left, setting))

        rewinding.forward(placement)
        x_end, steps = engine.y.copy(), engine.steps.copy()
        loss = engine.integral.value[:, 0] + problem.terminal(x_end)
        adjoint = problem.terminal_gradient(x_end)
        theta = ThetaSum(problem, len(x0), adjoint.dtype)
        for step in rewinding.backward(placement):
            own = adjoint[step.lane]
            adjoint[step.lane] = own + pull_stages(problem, rewinding.tableau, step, own, theta)
        grad_theta = theta.flush()
        for lane in engine.failed:
            adjoint[lane] = grad_theta[lane] = loss[lane] = np.nan
        return Estimate(loss, adjoint, grad_theta, steps, dict(engine.failed))
