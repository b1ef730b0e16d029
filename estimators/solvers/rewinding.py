"""Forward through a problem keeping few states, and backward by taking steps again."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from estimators.solvers.discrete_adjoint import Step
from estimators.solvers.engine import Engine
from estimators.solvers.schedules import Action, Placement
from estimators.solvers.tape import step_of
from systems import Array, Problem

Placing = Callable[[float, float], Placement]
"""A lane's placement over a segment from its left end to its right end."""


class Rewinding:
    """The lanes of an engine, each on a schedule of its own; those that step do so in one batch."""

    def __init__(self, engine: Engine, problem: Problem, states: int) -> None:
        self.engine, self.problem, self.states = engine, problem, states
        # A stage that only the error estimate reads has no cotangent.
        self.tableau = engine.tableau.without_estimate()
        self.segments = list(pairwise(problem.segments))
        self.starts: list[Array] = []
        self.placements: dict[int, Placement] = {}
        self.taken: np.ndarray = np.zeros(len(engine.y), int)
        self._slots: list[Array] = []
        self._pieces: list[tuple[Array, ...]] = []
        engine.watch = self._watch

    def forward(self, placing: Placing) -> None:
        """To the end; states are kept in the last segment, and each segment's own beginning."""
        for left, right in self.segments[:-1]:
            self.starts.append(self.engine.y.copy())
            self.engine.cross(left, right)
        self.starts.append(self.engine.y.copy())
        self._sweep(*self.segments[-1], placing)

    def backward(self, placing: Placing) -> Iterator[Step]:
        """Every lane's steps, its last first; lanes that fail drop out."""
        for index in reversed(range(len(self.segments))):
            if index < len(self.segments) - 1:
                self.engine.y[:] = self.starts[index]
                self.engine.h, self.engine.past_error = self.engine.paces[index].copy()
                self._sweep(*self.segments[index], placing)
            yield from self._reverse(self.segments[index][1])

    def _sweep(self, left: float, right: float, placing: Placing) -> None:
        """From one end of a segment to the other, keeping states where each lane's placement says.

        The latest that is kept is where the first reversal begins.
        """
        self.engine.resting[:] = False
        active = self.engine.enter(left, right)
        self.placements = {lane: placing(left, right) for lane in active.tolist()}
        self.taken[:] = 0
        self._keep({lane: 0 for lane in active.tolist()})
        while len(active):
            self.taken[active] += 1
            active = self.engine.once(active)
            self._pieces.clear()
            asked = {k: self.placements[k].slot(int(self.taken[k])) for k in active.tolist()}
            self._keep({lane: slot for lane, slot in asked.items() if slot is not None})

    def _reverse(self, right: float) -> Iterator[Step]:
        """The steps of the segment that was swept last."""
        at = np.full(len(self.taken), right)
        running = {
            lane: placement.reversal(int(self.taken[lane]))
            for lane, placement in self.placements.items()
            if lane not in self.engine.failed
        }
        while running:
            moves = {lane: self._next_move(lane, actions) for lane, actions in running.items()}
            running = {lane: running[lane] for lane, move in moves.items() if move}
            if not running:
                return
            self.engine.resting[list(running)] = [moves[lane] == "reverse" for lane in running]
            self.engine.once(np.array(sorted(running)))
            lane, t, h, y, slopes = self._collect()
            wanted = np.array([moves[k] == "reverse" for k in lane.tolist()])
            missed = wanted & (np.abs(t + h - at[lane]) > 1e-9 * abs(right))
            for k in lane[missed].tolist():
                self.engine.failed[k] = f"other steps were taken again before t = {at[k]:.6g}"
            running = {k: v for k, v in running.items() if k not in self.engine.failed}
            rows = np.flatnonzero(wanted & ~missed)
            at[lane[rows]] = t[rows]
            if len(rows):
                given = lane[rows], t[rows], h[rows], y[rows], slopes[:, rows]
                yield step_of(self.problem, self.tableau, *given)

    def _next_move(self, lane: int, actions: Iterator[Action]) -> str:
        """Keep and load until a step is due: "step", "reverse", or "" at the end."""
        for action in actions:
            if action.kind in ("step", "reverse"):
                return action.kind
            if action.kind == "keep":
                self._keep({lane: action.slot})
            else:
                self._load(lane, action.slot)
        return ""

    def _state(self) -> tuple[Array, ...]:
        """What a lane goes on from, (B, ...) each."""
        engine = self.engine
        return engine.t, engine.y, engine.h, engine.past_error, engine.slope, *engine.node

    def _keep(self, slots: dict[int, int]) -> None:
        """Copy lanes' states into a slot each."""
        state = self._state()
        if not self._slots:
            self._slots = [np.empty((self.states, *part.shape), part.dtype) for part in state]
        lanes, chosen = list(slots), list(slots.values())
        for kept, part in zip(self._slots, state, strict=True):
            kept[chosen, lanes] = part[lanes]

    def _load(self, lane: int, slot: int) -> None:
        for kept, part in zip(self._slots, self._state(), strict=True):
            part[lane] = kept[slot, lane]

    def _watch(self, lane: Array, t: Array, h: Array, y: Array, slopes: Array) -> None:
        if self.placements:
            self._pieces.append((lane, t, h, y, slopes[: self.tableau.stages].swapaxes(0, 1)))

    def _collect(self) -> tuple[Array, ...]:
        """The steps accepted since the last time: lane, t, h, y, slopes (s, R, d)."""
        lane, t, h, y, slopes = (np.concatenate(p) for p in zip(*self._pieces, strict=True))
        self._pieces.clear()
        return lane, t, h, y, slopes.swapaxes(0, 1)
