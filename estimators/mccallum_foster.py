"""Any explicit one-step method made reversible (McCallum and Foster 2024).

z = z- - Psi_-h(y), y+ = coupling y + (1 - coupling) z + Psi_h(z), with the method's increment Psi.
"""

from dataclasses import dataclass, replace

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.reversible import Reversible, Segment, State
from gradpareto.estimators.solvers.explicit.stages import increment, stage_states
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.reverse.discrete_adjoint import Step, ThetaSum, pull_step
from gradpareto.estimators.solvers.reverse.recurrences import Transposed
from gradpareto.systems import Array


@dataclass(frozen=True)
class McCallumFoster(Reversible):
    """Two coupled copies y and z of x, which a tableau's increment Psi advances in turn.

    z = z- - Psi_-h(y), y+ = coupling y + (1 - coupling) z + Psi_h(z), where the first z is y. The
    paper computes y+ before z; its last z is never needed here, nor what undoes it, so that half a
    step is saved. The running cost of a step is its quadrature over the stages of Psi_h(z), with
    the weights b.

    Where steps are undone, rounding errors grow by a factor of 1 / coupling in each step. Going
    forward, y - z is multiplied by `coupling` in each step, but also grows at the rate at which x
    decays: where x decays by more than -log(coupling) in a step, y - z grows.
    """

    tableau: Tableau
    coupling: float = 0.999

    def __post_init__(self) -> None:
        if not 0 < self.coupling <= 1:
            raise ValueError(f"a coupling lies in (0, 1], not at {self.coupling}")

    @property
    def declares(self) -> Declaration:
        return replace(
            super().declares,
            calls_per_step=6 * self.tableau.stages,
            order=self.tableau.order,
            source="McCallum and Foster 2024 (arXiv 2410.11648), forward and backward step",
        )

    def start(self, segment: Segment, x: Array) -> State:
        return x, x

    def step(self, segment: Segment, k: int, state: State) -> tuple[State, Array]:
        y, z = state
        z = z - self._increment(segment, k, -1, y)[0] if k else y
        ahead, cost, _ = self._increment(segment, k, 1, z)
        return (self.coupling * y + (1 - self.coupling) * z + ahead, z), cost

    def undo(
        self, segment: Segment, k: int, state: State, cotangents: State, theta: ThetaSum
    ) -> tuple[State, State]:
        (y, z), (ay, az) = state, cotangents
        problem, rest = segment.problem, 1 - self.coupling
        ahead, _, step = self._increment(segment, k, 1, z)
        az = az + rest * ay + pull_step(problem, self._tableau(z), step, ay, theta)
        ay = self.coupling * ay
        if not k:
            return (z, z), (ay, az)
        y = (y - rest * z - ahead) / self.coupling
        back, _, step = self._increment(segment, k, -1, y)
        free = Transposed(price=0.0)
        ay = ay + pull_step(problem, self._tableau(y), step, -az, theta, free)
        return (y, z + back), (ay, az)

    def pull_start(
        self, segment: Segment, state: State, cotangents: State, theta: ThetaSum
    ) -> Array:
        return cotangents[0] + cotangents[1]

    def _tableau(self, x: Array) -> Tableau:
        return self.tableau.astype(np.finfo(x.dtype).dtype)

    def _increment(self, segment: Segment, k: int, way: int, x: Array) -> tuple[Array, Array, Step]:
        """Return Psi (B, d) from x at edge k of the mesh, the running cost, and the stages.

        The step leads ahead if `way` is 1, and back if it is -1.
        """
        tableau = self._tableau(x)
        h = way * segment.h
        t = np.stack([segment.time(k + way * c) for c in tableau.c])
        stages = np.empty((tableau.stages, *x.shape), x.dtype)
        slopes, costs = np.empty_like(stages), np.empty(stages.shape[:2], x.dtype)
        for i, stage in stage_states(tableau, x, h, slopes):
            stages[i] = stage
            slopes[i], costs[i] = segment.problem.flow(segment.lanes, t[i], stage)
        length = np.full(len(x), h, tableau.b.dtype)
        step = Step(segment.lanes, t, length, stages)
        return increment(h, tableau.b, slopes), h * (tableau.b @ costs), step
