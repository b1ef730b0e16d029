"""Back-propagation through time: the exact discrete adjoint of a fixed-step Runge-Kutta method."""

from dataclasses import dataclass

import numpy as np

from estimators.estimate import Estimate, Estimator, Knob
from estimators.solvers.mesh import fixed_mesh, inside
from estimators.solvers.tableaus import Tableau, combine
from systems import Array, Factors, Problem

CHUNK_BYTES = 4_000_000
"""theta-cotangents are held up to this size, then contracted in one product."""


@dataclass(frozen=True)
class Bptt(Estimator):
    """Discretise first, then differentiate (paper, section 3.2, where the tableau is Euler's).

    The reverse sweep is the stages' transpose (Sandu 2006), from the stored stage states.

    Over Euler's tableau, `semi_implicit` is DiffTaichi's method: v+ = v + h v'(x, v), x+ = x + h v+
    for each position whose velocity the system declares, and Euler's for all else.
    """

    tableau: Tableau
    tight: float = 0.02
    semi_implicit: bool = False
    knob: Knob = "step"

    @property
    def calls_per_step(self) -> int:  # type: ignore[override]
        return 2 * self.tableau.stages

    @property
    def order(self) -> int:  # type: ignore[override]
        return self.tableau.order

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        sweep = _Sweep(problem, self.tableau, np.arange(len(x0)), x0, setting, self.semi_implicit)
        stages = np.empty((len(sweep.lengths), self.tableau.stages, *x0.shape), sweep.precision)
        loss, x_end = sweep.forward(stages)
        grad_x0, grad_theta = sweep.reverse(stages, problem.terminal_gradient(x_end))
        return Estimate(loss, grad_x0, grad_theta, np.full(len(x0), len(sweep.starts)))


def discretised_loss(
    problem: Problem,
    tableau: Tableau,
    lanes: Array,
    x0: Array,
    step: float,
    semi_implicit: bool = False,
) -> Array:
    """The fixed-step method's loss alone, (R,) for rows x0 (R, d) of `lanes` (R,).

    In the precision of x0 and theta, complex included; theta may be one vector for each row.
    """
    return _Sweep(problem, tableau, lanes, x0, step, semi_implicit).forward()[0]


def _coupled(values: Array, h: float, into: list[int], source: list[int]) -> Array:
    """Add h times the columns `source` to the columns `into`."""
    if into:
        values = values.copy()
        values[:, into] += h * values[:, source]
    return values


class _Sweep:
    """One fixed mesh over a problem: forward through its steps and back.

    In the precision of x0 and theta; times are float64.
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
        self.positions, self.velocities = list(velocity_of), list(velocity_of.values())
        self.starts, lengths, owners = fixed_mesh(problem.segments, step)
        self.lengths: list[float] = lengths.tolist()
        ends = np.array(problem.segments)
        self.segments = np.stack([ends[owners], ends[owners + 1]], axis=1)

    def times(self, n: int) -> Array:
        """Stage times of step n, one row of B equal times a stage: (s, B)."""
        t = self.starts[n] + self.tableau.c * self.lengths[n]
        return np.repeat(inside(t, *self.segments[n])[:, None], len(self.lanes), axis=1)

    def forward(self, stages: Array | None = None) -> tuple[Array, Array]:
        """Loss (B,) and final state; fills `stages` (N, s, B, d) with the stage states."""
        a, b = self.tableau.a, self.tableau.b
        slopes = np.empty((len(b), *self.x0.shape), self.precision)
        costs = np.empty((len(b), len(self.x0)), self.precision)
        x, loss = self.x0, np.zeros(len(self.x0), self.precision)
        for n, h in enumerate(self.lengths):
            t = self.times(n)
            for i in range(len(b)):
                stage = x + combine(h * a[i, :i], slopes[:i]) if i else x
                if stages is not None:
                    stages[n, i] = stage
                slopes[i], costs[i] = self.problem.flow(self.lanes, t[i], stage)
            x = x + _coupled(combine(h * b, slopes), h, self.positions, self.velocities)
            loss += h * (b @ costs)
        return loss + self.problem.terminal(x), x

    def reverse(self, stages: Array, adjoint: Array) -> tuple[Array, Array]:
        """Gradients in x0 (B, d) and theta (B, P), from the cotangent of the final state."""
        a, b = self.tableau.a, self.tableau.b
        cotangents = np.empty((len(b), *adjoint.shape), self.precision)  # of the stage states
        grad_theta = np.zeros((len(self.lanes), self.problem.policy.size), self.precision)
        held: list[Factors] = []
        for n in reversed(range(len(self.lengths))):
            h, t = self.lengths[n], self.times(n)
            pulled = _coupled(adjoint, h, self.velocities, self.positions)
            for i in reversed(range(len(b))):
                slope = h * b[i] * pulled
                if i + 1 < len(b):
                    slope += combine(h * a[i + 1 :, i], cotangents[i + 1 :])
                weight = np.full(len(adjoint), h * b[i], self.precision)
                cotangents[i], factors = self.problem.pullback(
                    self.lanes, t[i], stages[n, i], slope, weight
                )
                held.append(factors)
            adjoint = adjoint + cotangents.sum(axis=0)
            if n == 0 or len(held) * sum(part.nbytes for part in held[0]) > CHUNK_BYTES:
                grad_theta += self.problem.contract(held, np.ones((1, len(held))))[0]
                held.clear()
        return adjoint, grad_theta
