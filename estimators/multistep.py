"""Multistep adjoints: Adams' methods of variable order and step, forward and backward.

x_{n+1} = x_n + the integral of the polynomial through the last slopes, corrected with the slope at
the predicted state (Hairer, Norsett and Wanner 1993, III.5 to III.7).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.multistep.adams import solve
from gradpareto.estimators.solvers.multistep.closed_loop import solve_forward
from gradpareto.estimators.solvers.multistep.step_point_quadrature import StepPointQuadrature
from gradpareto.estimators.solvers.sketch import SIZE, sketch
from gradpareto.systems import Array, Factors, Problem


@dataclass(frozen=True)
class Multistep(Estimator):
    """Adams-Bashforth-Moulton methods for the state and the adjoint, one evaluation a step (PEC).

    If `corrected`, each step has a second evaluation at the corrected state (PECE): steps may then
    be longer where stability bounds them, and cost twice as much where it does not.

    A step point is a quadrature node that costs nothing more: the theta-integrand's factors come
    with the pullback, and the integral is that of polynomials through nodes on both sides of each
    interval. The step control includes the integral in the adjoint's error norm (as the paper does
    in CTPG, but with a sketch of few components in place of all P). If `refined`, the integral has
    nodes of its own instead: the adjoint takes the steps that it needs itself, and intervals over
    which the integral is not resolved are halved until their errors add up to the tolerance.
    """

    refined: bool = False
    corrected: bool = False
    tight: float = 1e-10

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            source="Hairer, Norsett, Wanner 1993, III.5-7; Ainsworth et al. 2021, Alg. 1",
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)
        forward = solve_forward(problem, x0, setting, corrected=self.corrected)
        width = x0.shape[1]
        x_end, loss = forward.y[:, :width], forward.y[:, width]
        if len(forward.failed) == len(x0):
            nothing = np.full((len(x0), problem.policy.size), np.nan, x0.dtype)
            return Estimate(loss, x_end, nothing, forward.steps, forward.failed)

        def path(lane: Array, t: Array) -> Array:
            return forward.dense(lane, t)[..., :width]

        def adjoint(lane: Array, t: Array, y: Array, x: Array) -> tuple[Array, Factors]:
            gx, factors = problem.pullback(lane, t, x, y[:, :width], np.ones_like(x[:, 0]))
            slope = gx if self.refined else np.hstack([gx, sketch(factors)])
            return -slope, factors

        start, times = problem.terminal_gradient(x_end), problem.segments[::-1]
        if not self.refined:
            start = np.hstack([start, np.zeros((len(x0), SIZE), start.dtype)])
        control = Adaptive.from_tolerance(setting)
        backward = solve(
            adjoint, start, times, control, path=path, corrected=self.corrected, lost=forward.failed
        )
        quadrature = StepPointQuadrature(problem, backward, len(x0))
        if self.refined:
            quadrature.refine(setting, path, np.linalg.norm(backward.y[:, :width], axis=1))
        grad_theta = quadrature.gradient()
        grad_theta[list(backward.failed)] = np.nan
        return Estimate(
            loss=loss + problem.terminal(x_end),
            grad_x0=backward.y[:, :width],
            grad_theta=grad_theta,
            steps=forward.steps + backward.steps,
            failed=backward.failed,
        )
