"""Sweep back through a forward solve from few of its states, by taking steps again."""

from collections.abc import Collection, Iterator

import numpy as np

from gradpareto.estimators.solvers.explicit.stages import as_column, increment
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import AcceptedMesh, FixedMesh
from gradpareto.estimators.solvers.reverse.discrete_adjoint import Step
from gradpareto.estimators.solvers.reverse.schedules import Action, Placement
from gradpareto.estimators.solvers.reverse.tape import step_of
from gradpareto.systems import Array, Problem


class Recomputation:
    """Lanes that each follow the actions of a placement of their own; a move is one batched call.

    It keeps those states of the forward solve that the placements choose, and the mesh. A step
    taken again is one of known t and h: no error estimate is made, and nothing is rejected.
    """

    def __init__(
        self,
        problem: Problem,
        tableau: Tableau,
        mesh: FixedMesh | AcceptedMesh,
        placements: list[Placement],
        x0: Array,
    ) -> None:
        self.problem, self.tableau, self.mesh, self.placements = problem, tableau, mesh, placements
        self.taken: np.ndarray = np.zeros(len(x0), int)
        # A state and the number of steps before it: in each slot, and where each lane is now.
        states = max(placement.states for placement in placements)
        self._slots = np.empty((states, *x0.shape), x0.dtype)
        self._places: np.ndarray = np.zeros((states, len(x0)), int)
        self._y, self._n = x0.copy(), self.taken.copy()

    def __call__(self, lane: Array, t: Array, h: Array, y: Array, slopes: Array) -> None:
        """Keep the states that the placements want, when a solve calls this with accepted steps."""
        self.mesh.accept(lane, t)
        self._y[lane], self._n[lane] = y, self.taken[lane]
        for k, n in zip(lane.tolist(), self.taken[lane].tolist(), strict=True):
            slot = self.placements[k].slot(n) if n else 0
            if slot is not None:
                self._keep(k, slot)
        self.taken[lane] += 1

    def backward(self, lost: Collection[int]) -> Iterator[Step]:
        """Yield the steps of all lanes that are not lost, last first."""
        running = {
            lane: placement.reversal(int(self.taken[lane]))
            for lane, placement in enumerate(self.placements)
            if lane not in lost
        }
        while True:
            moves = {lane: self._next_move(lane, actions) for lane, actions in running.items()}
            running = {lane: running[lane] for lane, move in moves.items() if move}
            if not running:
                return
            lane = np.array(list(running))
            onward = np.array([moves[k] == "step" for k in running])
            step = self._take(lane, np.flatnonzero(onward))
            if not onward.all():
                at = ~onward
                yield Step(lane[at], step.t[:, at], step.h[at], step.stages[:, at])

    def _take(self, lane: Array, onward: Array) -> Step:
        """Take the step that begins where each lane is, and move the rows `onward` to its end."""
        t, h = self.mesh(lane, self._n[lane])
        y = self._y[lane]
        step, slopes = step_of(self.problem, self.tableau, lane, t, h, y, onward=onward)
        column = as_column(h[onward], y)
        self._y[lane[onward]] = y[onward] + increment(column, self.tableau.b, slopes[:, onward])
        self._n[lane[onward]] += 1
        return step

    def _next_move(self, lane: int, actions: Iterator[Action]) -> str:
        """Keep and load until a step is due: "step", "reverse", or "" at the end."""
        for kind, slot in actions:
            if kind in ("step", "reverse"):
                return kind
            if kind == "keep":
                self._keep(lane, slot)
            else:
                self._y[lane], self._n[lane] = self._slots[slot, lane], self._places[slot, lane]
        return ""

    def _keep(self, lane: int, slot: int) -> None:
        """Copy a lane's state to a slot."""
        self._slots[slot, lane], self._places[slot, lane] = self._y[lane], self._n[lane]
