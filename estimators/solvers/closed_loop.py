"""Solves of the closed loop x' = f(x, pi(x)) forward, and of its adjoint backward along it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradpareto.estimators.solvers.explicit.quadrature_variables import QuadratureVariables
from gradpareto.estimators.solvers.explicit.runge_kutta import RungeKuttaSolution, solve
from gradpareto.estimators.solvers.explicit.step_control import Control
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.sketch import SIZE, sketch
from gradpareto.systems import Array, Factors, Problem, WeightedSums


def solve_forward(
    problem: Problem,
    x0: Array,
    times: tuple[float, ...],
    tableau: Tableau,
    control: Control,
    **options: Any,
) -> RungeKuttaSolution:
    """Solve x' = f from x0 (B, d) through `times`, in the precision of x0 and theta.

    The solution's integral (B, 1) is the running cost's, which the step control does not see. The
    options are those of `solve`.
    """

    def flow(lane: Array, t: Array, x: Array) -> tuple[Array, Factors]:
        slope, cost = problem.flow(lane, t, x)
        return slope, (cost[:, None],)

    x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)
    return solve(flow, x0, times, tableau, control, QuadratureVariables(1, _sum_costs), **options)


def _sum_costs(nodes: Sequence[Factors], weights: Array) -> WeightedSums:
    return _sums(weights, np.stack([node[0] for node in nodes]))


def _sums(weights: Array, values: Array) -> WeightedSums:
    """Return a function that sums values (S, R, m) with weights (K, S, R)."""

    def write(rows: slice, out: Array) -> None:
        np.einsum("ksr,srm->krm", weights[..., rows], values[:, rows], out=out)

    return write


def theta_gradient(
    problem: Problem, controlled: bool, sketched: bool = False
) -> QuadratureVariables:
    """Return the theta-gradient as the quadrature variables of an adjoint solve.

    If it is `sketched`, the error of a random projection counts in place of its own.
    """
    judged = QuadratureVariables(SIZE, _sum_sketches, controlled=True) if sketched else None
    return QuadratureVariables(problem.policy.size, problem.weighted_sums, controlled, judged)


def _sum_sketches(nodes: Sequence[Factors], weights: Array) -> WeightedSums:
    together = tuple(np.concatenate(parts) for parts in zip(*nodes, strict=True))
    return _sums(weights, sketch(together).reshape(len(nodes), -1, SIZE))


def solve_adjoint(
    problem: Problem,
    alpha: Array,
    times: tuple[float, ...],
    tableau: Tableau,
    control: Control,
    quadrature: QuadratureVariables,
    **options: Any,
) -> RungeKuttaSolution:
    """Solve alpha' = -(df/dx)^T alpha - dw/dx from the last of `times` to the first.

    `alpha` (B, d) is its value at the last time. The option `path` has x(t). The integral is that
    of -d(theta-gradient)/dt, because time runs backward. The other options are those of `solve`.
    """

    def pullback(lane: Array, t: Array, alpha: Array, x: Array) -> tuple[Array, Factors]:
        gx, factors = problem.pullback(lane, t, x, alpha, np.ones_like(x[:, 0]))
        return -gx, factors

    return solve(pullback, alpha, times[::-1], tableau, control, quadrature, **options)
