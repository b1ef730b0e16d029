"""CTPG that stores few states, and solves forward again between them as it goes back.

The equations are those of `ctpg`; the scheme is that of CVODES (Serban and Hindmarsh 2005).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.closed_loop import solve_adjoint, solve_forward, theta_gradient
from gradpareto.estimators.solvers.explicit.dense_output import DenseOutput
from gradpareto.estimators.solvers.explicit.runge_kutta import RungeKuttaSolution
from gradpareto.estimators.solvers.explicit.step_control import Adaptive, Control, Fixed
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class CheckpointedCtpg(Estimator):
    """CTPG that holds the dense output of one stretch of the horizon at a time, as CVODES does.

    The state is stored at `checkpoints` equally spaced times. Each stretch between two of them is
    solved again, by the very steps of the first time, when the adjoint comes to it. The memory held
    between the passes is therefore constant. On the way back it also includes the dense output of
    one stretch, a fixed share of the whole trajectory's.
    """

    tableau: Tableau
    tight: float = 1e-10
    checkpoints: int = 10

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="step" if self.tableau.error is None else "tolerance",
            tight=self.tight,
            calls_per_step=2 * self.tableau.stages,
            order=min(self.tableau.order, self.tableau.dense_order + 1),
            memory=0.0,
            source="Serban and Hindmarsh 2005 (CVODES), adjoint checkpointing",
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        control = Fixed(setting) if self.tableau.error is None else Adaptive.from_tolerance(setting)
        knots = np.linspace(0, problem.horizon, self.checkpoints + 1)
        times = tuple(np.union1d(problem.segments, knots).tolist())
        forward = solve_forward(problem, x0, times, self.tableau, control)
        stretch = _Stretch(problem, times, self.tableau, control, forward)
        alpha = problem.terminal_gradient(forward.y)
        stretch.arrive(0, alpha)
        backward = solve_adjoint(
            problem,
            alpha,
            times,
            self.tableau,
            control,
            theta_gradient(problem, controlled=True),
            path=stretch,
            at_stop=stretch.arrive,
            lost=forward.failed,
        )
        return Estimate(
            loss=forward.integral[:, 0] + problem.terminal(forward.y),
            grad_x0=backward.y,
            grad_theta=-backward.integral,
            steps=forward.steps + backward.steps,
            failed=backward.failed,
        )


@dataclass
class _Stretch:
    """The solution x(t) where the adjoint solve is now, between two neighbours of `times`."""

    problem: Problem
    times: tuple[float, ...]
    tableau: Tableau
    control: Control
    forward: RungeKuttaSolution
    dense: DenseOutput | None = None

    def __call__(self, lane: Array, t: Array) -> Array:
        assert self.dense is not None
        return self.dense(lane, t)

    def arrive(self, index: int, alpha: Array) -> None:
        """Solve again what is before the stop of this number, counted from the end."""
        start = len(self.times) - 2 - index
        if start < 0:
            return
        self.dense = None
        self.dense = solve_forward(
            self.problem,
            self.forward.stops[start],
            self.times[start : start + 2],
            self.tableau,
            self.control,
            dense=True,
            pace=self.forward.pace[start],
            lost=self.forward.failed,
        ).dense
