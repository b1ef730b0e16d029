"""The accepted steps of a forward solve, recorded for a sweep backward through them."""

from collections.abc import Iterator

import numpy as np

from gradpareto.estimators.solvers.explicit.stages import as_column, stage_states
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import inside
from gradpareto.estimators.solvers.reverse.discrete_adjoint import Step
from gradpareto.systems import Array, Problem


class Tape:
    """Recorded steps of all lanes, each lane on its own mesh; a step is recorded by its beginning.

    With `stages`, its slopes are recorded as well, from which the stage states follow without
    another evaluation; without, the slopes are evaluated again.
    """

    def __init__(self, problem: Problem, tableau: Tableau, stages: bool) -> None:
        self.problem, self.tableau, self.stages = problem, tableau, stages
        self._pieces: list[tuple[Array, ...]] = []

    def __call__(self, lane: Array, t: Array, h: Array, y: Array, slopes: Array) -> None:
        """Record accepted steps, when a solve calls this with them."""
        kept = (slopes[: self.tableau.stages].swapaxes(0, 1).copy(),) if self.stages else ()
        self._pieces.append((lane, t, h, y, *kept))

    def backward(self) -> Iterator[Step]:
        """Yield each lane's last step, then each one's last but one; lanes drop out as they end."""
        if not self._pieces:
            return
        lane, t, h, y, *kept = (np.concatenate(part) for part in zip(*self._pieces, strict=True))
        self._pieces.clear()
        order = np.lexsort((t, lane))
        lanes, count = np.unique(lane, return_counts=True)
        ends = np.cumsum(count)
        for back in range(1, count.max() + 1):
            rows = order[ends[count >= back] - back]
            slopes = kept[0][rows].swapaxes(0, 1) if kept else None
            begun = lanes[count >= back], t[rows], h[rows], y[rows]
            yield step_of(self.problem, self.tableau, *begun, slopes)[0]


def step_of(
    problem: Problem,
    tableau: Tableau,
    lane: Array,
    t: Array,
    h: Array,
    y: Array,
    slopes: Array | None = None,
    onward: Array | None = None,
) -> tuple[Step, Array]:
    """Return a step that began at y (R, d), and its slopes (s, R, d), evaluated unless given.

    Slopes that no later stage reads are evaluated only in the rows `onward`, whose x+ is wanted,
    and are 0 in others.
    """
    ends = np.array(problem.segments)
    first = np.searchsorted(ends, t, side="right") - 1
    times = np.stack([inside(t + c * h, ends[first], ends[first + 1]) for c in tableau.c])
    column = as_column(h, y)
    known = np.zeros((tableau.stages, *y.shape), y.dtype) if slopes is None else slopes
    stages = np.empty((tableau.stages, *y.shape), y.dtype)
    for i, stage in stage_states(tableau, y, column, known):
        stages[i] = stage
        if slopes is not None:
            continue
        rows = np.arange(len(y)) if tableau.a[i + 1 :, i].any() else onward
        if rows is not None and len(rows):
            known[i, rows], _ = problem.flow(lane[rows], times[i, rows], stage[rows])
    return Step(lane, times, h, stages), known
