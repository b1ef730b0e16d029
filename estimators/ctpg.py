"""Continuous-time policy gradients, Algorithm 1 of Ainsworth et al. (2021).

x' = f is solved forward; alpha' = -(df/dx)^T alpha - dw/dx and g' = -(df/dtheta)^T alpha -
dw/dtheta are solved backward along it, from alpha(T) = dJ/dx and g(T) = 0.
"""

from dataclasses import dataclass

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.closed_loop import solve_adjoint, solve_forward, theta_gradient
from gradpareto.estimators.solvers.explicit.interpolants import INTERPOLANTS
from gradpareto.estimators.solvers.explicit.step_control import Adaptive, Fixed
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Ctpg(Estimator):
    """Solve forward, store the dense output, solve the adjoint backward along it.

    The parameter gradient is part of the backward solve's state (Eqs. 7 and 8), so its error
    estimate controls the step as well; it is kept in factors and contracted once a step. With
    `seminorm`, the adjoint alone controls the step (Kidger, Chen and Lyons 2021), because steps
    that resolve an integrand also resolve its integral. With `sketched`, the errors of a random
    projection of the integral (`sketch`) stand for those of its P components, among which the step
    control would have to form and scale each one.

    The `interpolant`, a name in INTERPOLANTS, stands for x(t) in the backward solve. No step
    control sees its error: one of lower order than the tableau's own leaves an error of h^order,
    where the steps h follow the tolerance as the embedded error estimate does.
    """

    tableau: Tableau
    tight: float = 1e-10
    seminorm: bool = False
    sketched: bool = False
    interpolant: str = "native"

    @property
    def declares(self) -> Declaration:
        """The declaration, whose order a dense output of one order less does not lower.

        A pair's local error is of order error_order + 1 in the step.
        """
        tableau = self.tableau
        reached = INTERPOLANTS[self.interpolant].order or tableau.dense_order + 1
        order = min(tableau.order, reached)
        unseen = 1.0 if self.interpolant == "native" else order / (tableau.error_order + 1)
        seminorm = "; Kidger, Chen and Lyons 2021" if self.seminorm else ""
        sketched = "; Pham and Pagh 2013" if self.sketched else ""
        return Declaration(
            knob="step" if tableau.error is None else "tolerance",
            tight=self.tight,
            calls_per_step=2 * tableau.stages,
            order=order,
            tolerance_exponent=min(1.0, unseen),
            source="Ainsworth et al. 2021, Alg. 1" + seminorm + sketched,
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        control = Fixed(setting) if self.tableau.error is None else Adaptive.from_tolerance(setting)
        times, interpolant = problem.segments, INTERPOLANTS[self.interpolant]
        kept = interpolant.keeping(self.tableau)
        forward = solve_forward(problem, x0, times, kept, control, dense=True)
        x_end, loss, steps, lost = forward.y, forward.integral[:, 0], forward.steps, forward.failed
        trajectory = forward.dense and interpolant.joined(forward.dense, times)
        del forward

        backward = solve_adjoint(
            problem,
            problem.terminal_gradient(x_end),
            times,
            self.tableau,
            control,
            theta_gradient(problem, not (self.seminorm or self.sketched), self.sketched),
            path=trajectory,
            lost=lost,
        )
        return Estimate(
            loss=loss + problem.terminal(x_end),
            grad_x0=backward.y,
            grad_theta=-backward.integral,
            steps=steps + backward.steps,
            failed=backward.failed,
        )
