"""Back-propagation through time: the exact discrete adjoint of a fixed-step Runge-Kutta method.

Forward, x_{n+1} = x_n + h sum_i b_i k_i over the stage slopes k_i; backward, alpha_n is the
pullback of alpha_{n+1} through that step, from alpha_N = dJ/dx (Ainsworth et al. 2021, section 3.2,
for Euler's tableau; Sandu 2006 for any).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.explicit.stages import increment, stage_states
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import fixed_mesh, inside
from gradpareto.estimators.solvers.reverse.discrete_adjoint import Step, add_columns, reverse
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Bptt(Estimator):
    """Discretise first, then differentiate (paper, section 3.2, where the tableau is Euler's).

    The reverse sweep works from the stored stage states (`solvers/reverse/discrete_adjoint.py`).

    Over Euler's tableau, `semi_implicit` is DiffTaichi's method: v+ = v + h v'(x, v), x+ = x + h v+
    for each position whose velocity the system declares, and Euler's for all else.
    """

    tableau: Tableau
    tight: float = 0.02
    semi_implicit: bool = False

    @property
    def declares(self) -> Declaration:
        source = "Ainsworth et al. 2021, section 3.2" if self.tableau.stages == 1 else "Sandu 2006"
        return Declaration(
            knob="step",
            tight=self.tight,
            calls_per_step=2 * self.tableau.stages,
            order=self.tableau.order,
            exact=True,
            source="Hu et al. 2020 (DiffTaichi)" if self.semi_implicit else source,
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        sweep = _Sweep(problem, self.tableau, np.arange(len(x0)), x0, setting, self.semi_implicit)
        stages = np.empty((len(sweep.lengths), self.tableau.stages, *x0.shape), sweep.precision)
        loss, x_end = sweep.forward(stages)
        adjoint = problem.terminal_gradient(x_end)
        grad_x0, grad_theta = reverse(
            problem, sweep.tableau, sweep.backward(stages), adjoint, sweep.coupled
        )
        return Estimate(loss, grad_x0, grad_theta, np.full(len(x0), len(sweep.lengths)))


def discretised_loss(
    problem: Problem,
    tableau: Tableau,
    lanes: Array,
    x0: Array,
    step: float,
    semi_implicit: bool = False,
) -> Array:
    """Return the fixed-step method's loss alone, (R,) for rows x0 (R, d) of `lanes` (R,).

    It is computed in the precision of x0 and theta, which may be complex. theta may be one vector
    for each row.
    """
    return _Sweep(problem, tableau, lanes, x0, step, semi_implicit).forward()[0]


class _Sweep:
    """The steps of one fixed mesh over a problem, which are taken forward and then backward.

    Everything is computed in the precision of x0 and theta, except for times, which are float64.
    """

    def __init__(
        self,
        problem: Problem,
        tableau: Tableau,
        lanes: Array,
        x0: Array,
        step: float,
        semi_implicit: bool,
    ) -> None:
        self.precision = np.result_type(x0, problem.theta)
        self.problem, self.lanes, self.x0 = problem, lanes, x0
        self.tableau = tableau.astype(np.finfo(self.precision).dtype)
        velocity_of = problem.system.velocity_of if semi_implicit else {}
        self.coupled = list(velocity_of), list(velocity_of.values())
        starts, lengths, owners = fixed_mesh(problem.segments, step)
        self.lengths: list[float] = lengths.tolist()
        ends = np.array(problem.segments)[:, None]
        # The times (N, s) of the stages of all steps, which are equal in all lanes.
        at = starts[:, None] + lengths[:, None] * self.tableau.c
        self.times = inside(at, ends[owners], ends[owners + 1])

    def length(self, n: int) -> Array:
        """Return the length (B,) of step n, which is equal in all lanes."""
        return np.full(len(self.lanes), self.lengths[n], np.finfo(self.precision).dtype)

    def times_of(self, n: int) -> Array:
        """Return the times (s, B) of the stages of step n, which are equal in all lanes."""
        return self.times[n, :, None].repeat(len(self.lanes), axis=1)

    def forward(self, stages: Array | None = None) -> tuple[Array, Array]:
        """Step to T, and return the loss (B,) and the final state (B, d).

        The stage states are written to `stages` (N, s, B, d) if it is given.
        """
        b = self.tableau.b
        slopes = np.empty((len(b), *self.x0.shape), self.precision)
        costs = np.empty((len(b), len(self.x0)), self.precision)
        x, loss = self.x0, np.zeros(len(self.x0), self.precision)
        for n, h in enumerate(self.lengths):
            times = self.times_of(n)
            for i, stage in stage_states(self.tableau, x, h, slopes):
                if stages is not None:
                    stages[n, i] = stage
                slopes[i], costs[i] = self.problem.flow(self.lanes, times[i], stage)
            change = increment(h, b, slopes)
            if self.coupled[0]:
                change = add_columns(change, self.length(n), *self.coupled)
            x = x + change
            loss += h * (b @ costs)
        return loss + self.problem.terminal(x), x

    def backward(self, stages: Array) -> Iterator[Step]:
        """Yield the steps, last first, with their stage states, out of `stages` (N, s, B, d)."""
        for n in reversed(range(len(self.lengths))):
            yield Step(self.lanes, self.times_of(n), self.length(n), stages[n])
