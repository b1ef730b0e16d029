"""Continuous-time policy gradients: the paper's Algorithm 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.estimators.estimate import Estimate, Estimator, Knob
from gradpareto.estimators.solvers.explicit.engine import Rhs
from gradpareto.estimators.solvers.explicit.interpolants import INTERPOLANTS
from gradpareto.estimators.solvers.explicit.quadrature import Quadrature
from gradpareto.estimators.solvers.explicit.runge_kutta import Solution, solve
from gradpareto.estimators.solvers.explicit.step_control import Adaptive, Control, Fixed
from gradpareto.estimators.solvers.explicit.tableaus import TSIT5, Tableau
from gradpareto.systems import Array, Factors, Problem

ATOL_OVER_RTOL = 1e-3
"""The absolute tolerance beside a relative one (paper, figure 2)."""


def adaptive(tolerance: float) -> Adaptive:
    """The step control that a tolerance stands for."""
    return Adaptive(rtol=tolerance, atol=ATOL_OVER_RTOL * tolerance)


def _sum_costs(nodes: Sequence[Factors], weights: Array, out: Array) -> None:
    np.einsum("ksr,srm->krm", weights, np.stack([node[0] for node in nodes]), out=out)


def costed(problem: Problem) -> tuple[Rhs, Quadrature]:
    """x' = f as a right-hand side, and the running cost as its integral."""

    def rhs(lane: Array, t: Array, x: Array) -> tuple[Array, Factors]:
        slope, cost = problem.flow(lane, t, x)
        return slope, (cost[:, None],)

    return rhs, Quadrature(size=1, contract=_sum_costs)


def solve_forward(
    problem: Problem,
    x0: Array,
    times: tuple[float, ...],
    tableau: Tableau,
    control: Control,
    **options: Any,
) -> Solution:
    """x' = f through `times`; the integral, outside the step control, is the running cost's.

    In the precision of x0 and theta. Options are `solve`'s.
    """
    rhs, cost = costed(problem)
    x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)
    return solve(rhs, x0, times, tableau, control, cost, **options)


def solve_adjoint(
    problem: Problem,
    alpha: Array,
    times: tuple[float, ...],
    tableau: Tableau,
    control: Control,
    quadrature: Quadrature,
    **options: Any,
) -> Solution:
    """alpha' = -(pullback of alpha along the `path`) from the last of `times` to the first.

    The integral is of -d(theta-gradient)/dt: time runs backward. Options are `solve`'s.
    """

    def rhs(lane: Array, t: Array, alpha: Array, x: Array) -> tuple[Array, Factors]:
        gx, factors = problem.pullback(lane, t, x, alpha, np.ones_like(x[:, 0]))
        return -gx, factors

    return solve(rhs, alpha, times[::-1], tableau, control, quadrature, **options)


def loss_of(problem: Problem, x0: Array, tolerance: float) -> Array:
    """The loss (B,) alone, solved by Tsit5; NaN in lanes that the solver gave up."""
    control = adaptive(tolerance)
    forward = solve_forward(problem, x0, problem.segments, TSIT5, control, dense=False)
    return np.asarray(forward.integral[:, 0] + problem.terminal(forward.y))


@dataclass(frozen=True)
class Ctpg(Estimator):
    """Solve forward, store the dense output, solve the adjoint backward along it.

    The parameter gradient is part of the backward solve's state (Eqs. 7 and 8), so its error
    estimate controls the step as well; it is kept in factors and contracted once a step. With
    `seminorm`, the adjoint alone controls it (Kidger, Chen and Lyons 2021): an integral needs no
    step that its integrand does not.

    The `interpolant`, of INTERPOLANTS, is what stands for x(t). No step control sees its error: one
    of lower order than the tableau's own leaves h^order, where the steps h follow the tolerance as
    the embedded error estimate does.
    """

    tableau: Tableau
    tight: float = 1e-10
    seminorm: bool = False
    interpolant: str = "native"

    @property
    def knob(self) -> Knob:  # type: ignore[override]
        return "step" if self.tableau.error is None else "tolerance"

    @property
    def calls_per_step(self) -> int:  # type: ignore[override]
        return 2 * self.tableau.stages

    @property
    def source(self) -> str:  # type: ignore[override]
        seminorm = "; Kidger, Chen and Lyons 2021" if self.seminorm else ""
        return "Ainsworth et al. 2021, Alg. 1" + seminorm

    @property
    def order(self) -> int:  # type: ignore[override]
        """Interpolants of order one less do not lower it; cubic Hermite caps it at 4."""
        native = 4 if len(self.tableau.dense) == 3 else self.tableau.order
        return min(self.tableau.order, INTERPOLANTS[self.interpolant].order or native)

    @property
    def tolerance_exponent(self) -> float:  # type: ignore[override]
        """A pair's local error is of order error_order + 1 in the step."""
        if self.interpolant == "native":
            return 1.0
        return min(1.0, self.order / (self.tableau.error_order + 1))

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        control = Fixed(setting) if self.knob == "step" else adaptive(setting)
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
            Quadrature(problem.policy.size, problem.contract, controlled=not self.seminorm),
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
