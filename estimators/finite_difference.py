"""Central finite differences of the discretised loss: two solves for each entry of x0 and theta."""

from dataclasses import dataclass

import numpy as np

from estimators.bptt import discretised_loss
from estimators.estimate import Estimate, Estimator, Knob
from estimators.solvers.mesh import fixed_mesh
from estimators.solvers.tableaus import Tableau
from systems import Array, Problem

EPSILON = np.finfo(float).eps ** (1 / 3)
"""The perturbation, times max(1, |entry|): truncation and rounding are in balance there."""
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class FiniteDifference(Estimator):
    """The step is the knob; the mesh is frozen, so that only the perturbed entry differs.

    The solves of one sample are rows of one batch, each with its own theta, and all are paid for.
    In float64, which the perturbation is chosen for.
    """

    tableau: Tableau
    tight: float = 0.02
    knob: Knob = "step"
    follows_dtype = False
    memory = 0.0
    cost_grows_with_parameters = True
    source = "central differences; Nocedal and Wright 2006, section 8.1"

    @property
    def calls_per_step(self) -> int:  # type: ignore[override]
        return self.tableau.stages

    @property
    def order(self) -> int:  # type: ignore[override]
        return self.tableau.order

    def solves(self, problem: Problem) -> int:
        return 1 + 2 * (problem.system.state_dim + problem.policy.size)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(float, copy=False)
        gradients = np.stack(
            [self._gradient(problem, lane, x, setting) for lane, x in enumerate(x0)]
        )
        loss = discretised_loss(problem, self.tableau, np.arange(len(x0)), x0, setting)
        steps = len(fixed_mesh(problem.segments, setting)[0])
        width = x0.shape[1]
        return Estimate(loss, gradients[:, :width], gradients[:, width:], np.full(len(x0), steps))

    def _gradient(self, problem: Problem, lane: int, x: Array, step: float) -> Array:
        """(d + P,), the derivative in x0 first."""
        at, width = np.concatenate([x, problem.theta]), len(x)
        gradient = np.empty(len(at))
        for start in range(0, len(at), ROWS_AT_ONCE // 2):
            entries = np.arange(start, min(start + ROWS_AT_ONCE // 2, len(at)))
            shift = EPSILON * np.maximum(1, np.abs(at[entries]))
            rows = np.tile(at, (2, len(entries), 1))
            rows[0, np.arange(len(entries)), entries] += shift
            rows[1, np.arange(len(entries)), entries] -= shift
            moved = (
                rows[0, np.arange(len(entries)), entries]
                - rows[1, np.arange(len(entries)), entries]
            )
            rows = rows.reshape(-1, len(at))
            above, below = discretised_loss(
                problem.with_theta(rows[:, width:]),
                self.tableau,
                np.full(len(rows), lane),
                rows[:, :width],
                step,
            ).reshape(2, -1)
            gradient[entries] = (above - below) / moved
        return gradient
