"""The adjoint alone is solved; the theta-gradient is a quadrature along it afterwards."""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.estimate import Estimate, Estimator, Knob
from gradpareto.estimators.solvers.closed_loop import solve_adjoint, solve_forward
from gradpareto.estimators.solvers.explicit.dense_output import DenseOutput
from gradpareto.estimators.solvers.explicit.quadrature_variables import NO_QUADRATURE
from gradpareto.estimators.solvers.explicit.step_control import (
    ATOL_OVER_RTOL,
    Adaptive,
    Control,
    Fixed,
)
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.gauss_quadrature import gauss_kronrod, gauss_on_steps
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class GaussAdjoint(Estimator):
    """Gauss nodes in each step of an adjoint solve that does not know of theta.

    floor((order + 1) / 2) of them unless told otherwise, as many as the tableau's order needs;
    nothing controls what they miss. SciMLSensitivity's GaussAdjoint.

    The setting is the tolerance of the adjoint solve, and `forward` times that the forward solve's:
    an error of x is one of every alpha behind it.
    """

    tableau: Tableau
    tight: float = 1e-10
    nodes: int = 0
    forward: float = 1.0
    source: str = "Norcliffe and Deisenroth 2023; SciMLSensitivity, GaussAdjoint"

    @property
    def knob(self) -> Knob:  # type: ignore[override]
        return "step" if self.tableau.error is None else "tolerance"

    @property
    def nodes_per_step(self) -> int:
        return self.nodes or (self.tableau.order + 1) // 2

    @property
    def calls_per_step(self) -> int:  # type: ignore[override]
        return 2 * self.tableau.stages + self.nodes_per_step

    @property
    def order(self) -> int:  # type: ignore[override]
        """A dense output may be of one order less without lowering it."""
        return min(self.tableau.order, self.tableau.dense_order + 1)

    def controls(self, setting: float) -> tuple[Control, Control]:
        """Of the steps forward, and of those back."""
        if self.knob == "step":
            return Fixed(setting), Fixed(setting)
        return Adaptive.from_tolerance(self.forward * setting), Adaptive.from_tolerance(setting)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        there, back = self.controls(setting)
        times = problem.segments
        forward = solve_forward(problem, x0, times, self.tableau, there, dense=True)
        x_end, loss, steps, path = forward.y, forward.integral[:, 0], forward.steps, forward.dense
        lost = forward.failed
        del forward
        backward = solve_adjoint(
            problem,
            problem.terminal_gradient(x_end),
            times,
            self.tableau,
            back,
            NO_QUADRATURE,
            path=path,
            dense=True,
            lost=lost,
        )
        grad_theta = np.zeros((len(x0), problem.policy.size), x_end.dtype)
        if path is not None and backward.dense is not None:
            grad_theta = self.collect(problem, path, backward.dense, len(x0), setting)
        grad_theta[list(backward.failed)] = np.nan
        return Estimate(
            loss=loss + problem.terminal(x_end),
            grad_x0=backward.y,
            grad_theta=grad_theta,
            steps=steps + backward.steps,
            failed=backward.failed,
        )

    def collect(
        self, problem: Problem, path: DenseOutput, alpha: DenseOutput, lanes: int, setting: float
    ) -> Array:
        """The theta-gradient (lanes, P) along x's and alpha's dense outputs."""
        return gauss_on_steps(problem, path, alpha, lanes, self.nodes_per_step)


@dataclass(frozen=True)
class QuadratureAdjoint(GaussAdjoint):
    """Gauss-Kronrod quadrature of G7-K15, to the tolerance of the two solves before it.

    SciMLSensitivity's QuadratureAdjoint. It does not know where the steps of the solves are.
    """

    source: str = "SciMLSensitivity, QuadratureAdjoint"

    def collect(
        self, problem: Problem, path: DenseOutput, alpha: DenseOutput, lanes: int, setting: float
    ) -> Array:
        atol = ATOL_OVER_RTOL * setting
        return gauss_kronrod(problem, path, alpha, lanes, problem.segments, setting, atol)
