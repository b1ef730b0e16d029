"""Multistep adjoints: Adams' methods both ways, one evaluation a step."""

from dataclasses import dataclass

import numpy as np

from estimators.ctpg import adaptive
from estimators.estimate import Estimate, Estimator, Knob
from estimators.solvers.adams import solve
from estimators.solvers.node_quadrature import NodeQuadrature
from estimators.solvers.sketch import SIZE, sketch
from systems import Array, Factors, Problem


@dataclass(frozen=True)
class Multistep(Estimator):
    """Adams-Bashforth-Moulton forward and along the adjoint, of variable order and step.

    A step point is a quadrature node that costs nothing more: the theta-integrand's factors come
    with the pullback, and the integral is that of polynomials through nodes on both sides of each
    interval. What controls it is either the step, as part of the adjoint's error norm (`refined`
    False, CTPG as the paper runs it, P components replaced by a sketch of few), or nodes of its
    own: the adjoint takes the steps that it needs itself, and intervals over which the integral is
    not resolved are halved until their errors add up to the tolerance.
    """

    refined: bool = False
    corrected: bool = False
    tight: float = 1e-10
    knob: Knob = "tolerance"
    method = "Adams"
    source: str = "Shampine and Gordon 1975; Ainsworth et al. 2021, Alg. 1"

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        control, times = adaptive(setting), problem.segments
        x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)

        width, refined = x0.shape[1], self.refined

        def flow(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
            slope, cost = problem.flow(lane, t, y[:, :width])
            return np.column_stack([slope, cost]), ()

        def path(lane: Array, t: Array) -> Array:
            return forward.dense(lane, t)[..., :width]

        start = np.column_stack([x0, np.zeros(len(x0), x0.dtype)])
        forward = solve(flow, start, times, control, corrected=self.corrected)
        x_end, loss = forward.y[:, :width], forward.y[:, width]
        if len(forward.failed) == len(x0):
            nothing = np.full((len(x0), problem.policy.size), np.nan, x0.dtype)
            return Estimate(loss, x_end, nothing, forward.steps, forward.failed)

        def adjoint(lane: Array, t: Array, y: Array, x: Array) -> tuple[Array, Factors]:
            gx, factors = problem.pullback(lane, t, x, y[:, :width], np.ones_like(x[:, 0]))
            slope = gx if refined else np.hstack([gx, sketch(factors)])
            return -slope, factors

        start = problem.terminal_gradient(x_end)
        if not refined:
            start = np.hstack([start, np.zeros((len(x0), SIZE), start.dtype)])
        backward = solve(
            adjoint,
            start,
            times[::-1],
            control,
            path=path,
            lost=forward.failed,
            corrected=self.corrected,
        )
        quadrature = NodeQuadrature(problem, backward, len(x0))
        if refined:
            quadrature.refine(setting, path)
        grad_theta = quadrature.gradient()
        grad_theta[list(backward.failed)] = np.nan
        return Estimate(
            loss=loss + problem.terminal(x_end),
            grad_x0=backward.y[:, :width],
            grad_theta=grad_theta,
            steps=forward.steps + backward.steps,
            failed=backward.failed,
        )
