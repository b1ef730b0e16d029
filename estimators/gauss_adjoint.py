"""Estimators that solve for the adjoint alone, and then integrate the theta-gradient along it.

dL/dtheta = integral of (df/dtheta)^T alpha + dw/dtheta over the horizon, by a quadrature (Norcliffe
and Deisenroth 2023; SciMLSensitivity).
"""

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
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
class AdjointThenQuadrature(Estimator):
    """Solve x forward and alpha backward along x's dense output, then integrate along both.

    The setting is the tolerance of the adjoint solve. That of the forward solve is `forward` times
    the setting, because an error of x enters every alpha that is computed after it.
    """

    tableau: Tableau
    tight: float = 1e-10
    forward: float = 1.0

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="step" if self.tableau.error is None else "tolerance",
            tight=self.tight,
            calls_per_step=2 * self.tableau.stages,
            order=min(self.tableau.order, self.tableau.dense_order + 1),
        )

    def controls(self, setting: float) -> tuple[Control, Control]:
        """Return the step control of the forward solve, and that of the adjoint solve."""
        if self.tableau.error is None:
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

    @abstractmethod
    def collect(
        self, problem: Problem, path: DenseOutput, alpha: DenseOutput, lanes: int, setting: float
    ) -> Array:
        """Return the theta-gradient (lanes, P) along x's and alpha's dense outputs."""


@dataclass(frozen=True)
class GaussAdjoint(AdjointThenQuadrature):
    """The adjoint with a quadrature of `nodes` Gauss nodes in each step of the adjoint solve.

    By default they are floor((order + 1) / 2), as many as the tableau's order needs. Nothing
    controls the error that they leave. This is SciMLSensitivity's GaussAdjoint.
    """

    nodes: int = 0

    @property
    def nodes_per_step(self) -> int:
        return self.nodes or (self.tableau.order + 1) // 2

    @property
    def declares(self) -> Declaration:
        return replace(
            super().declares,
            calls_per_step=2 * self.tableau.stages + self.nodes_per_step,
            source="Norcliffe and Deisenroth 2023; SciMLSensitivity, GaussAdjoint",
        )

    def collect(
        self, problem: Problem, path: DenseOutput, alpha: DenseOutput, lanes: int, setting: float
    ) -> Array:
        return gauss_on_steps(problem, path, alpha, lanes, self.nodes_per_step)


@dataclass(frozen=True)
class QuadratureAdjoint(AdjointThenQuadrature):
    """The adjoint with an adaptive quadrature, Gauss and Kronrod's G7-K15 to the solves' tolerance.

    The quadrature does not know where the steps of the solves are. SciMLSensitivity calls this
    method QuadratureAdjoint too.
    """

    @property
    def declares(self) -> Declaration:
        return replace(super().declares, source="SciMLSensitivity, QuadratureAdjoint")

    def collect(
        self, problem: Problem, path: DenseOutput, alpha: DenseOutput, lanes: int, setting: float
    ) -> Array:
        atol = ATOL_OVER_RTOL * setting
        return gauss_kronrod(problem, path, alpha, lanes, problem.segments, setting, atol)
