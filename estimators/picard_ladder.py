"""Iterated Gauss collocation over adaptive windows, whose node count grows from sweep to sweep.

It takes few sequential calls of many rows: the least time where a batch is small.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.implicit.fixed_states import FixedStates, fixed_states
from gradpareto.estimators.solvers.implicit.picard import Iterated, Polynomial, iterate, judge
from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau, gauss
from gradpareto.estimators.solvers.implicit.windows import Window, WindowStepper
from gradpareto.estimators.solvers.mesh import inside
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array, Factors, Problem

MOST_BACKWARD = 100
"""The sweeps that a window may take on the way back. The adjoint is linear, so that they converge
in the end, though changes may grow at first."""


@dataclass(frozen=True)
class PicardLadder(Estimator):
    """Picard's iteration with the node counts `ladder` over each window, forward and backward.

    Each lane has windows of its own. One is accepted if it converges within `sweeps` and the last
    term of its polynomial is within the tolerance. Gauss's rule is symplectic: the same iteration
    in reversed time, on the states at the nodes, gives the adjoint of the discrete solution.
    """

    ladder: tuple[int, ...] = (5, 10)
    sweeps: int = 12
    tight: float = 1e-10

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            iterative=True,
            source="Micalizzi and Torlo 2023; Bai and Junkins 2011",
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(np.result_type(x0, problem.theta), copy=False)
        control = Adaptive.from_tolerance(setting)
        forward = WindowStepper(problem, x0, control, self.ladder, self.sweeps)
        for ends in pairwise(problem.segments):
            forward.cross(*ends)
        steps = np.array([2 * len(windows) for windows in forward.kept])
        back = _Back(problem, forward, control, self.ladder)
        while len(lane := back.going()):
            back.cross(lane)
        loss, grad_theta = forward.loss + problem.terminal(forward.x), back.theta.flush()
        for part in (loss, back.adjoint, grad_theta):
            part[list(back.failed)] = np.nan
        return Estimate(loss, back.adjoint, grad_theta, steps, back.failed)


class _Back:
    """All lanes on their way back over their windows, `adjoint` (B, d) being their cotangents."""

    def __init__(
        self, problem: Problem, forward: WindowStepper, control: Adaptive, ladder: tuple[int, ...]
    ) -> None:
        self.problem, self.control, self.ladder = problem, control, ladder
        self.adjoint, self.kept = problem.terminal_gradient(forward.x), forward.kept
        self.failed = dict(forward.failed)
        self.theta = ThetaSum(problem, len(self.adjoint), self.adjoint.dtype)
        # Nothing is known of the slope before the first window.
        self.past = Polynomial(0 * forward.past.slopes, np.ones(len(self.adjoint)))

    def going(self) -> Array:
        """Return the lanes that have windows left."""
        left = [k for k, windows in enumerate(self.kept) if windows and k not in self.failed]
        return np.array(left, dtype=int)

    def cross(self, lane: Array) -> None:
        """Bring each of some lanes (R,) to the start of its last window."""
        windows = [self.kept[k].pop() for k in lane.tolist()]
        found = self._iterate(lane, windows)
        self.adjoint[lane] = found.end
        self.past.put(lane, found.coarsened(self.ladder[0]))
        weights = -gauss(self.ladder[-1]).b[:, None] * found.h
        self.theta.add_nodes(lane, found.parts, weights)
        for k in lane[~judge(found.error)].tolist():
            self.failed[k] = "Picard's iteration for the adjoint does not converge"

    def _iterate(self, lane: Array, windows: list[Window]) -> Iterated:
        h = np.array([-window.h for window in windows])
        states = {nodes: self._states(lane, windows, nodes) for nodes in self.ladder}

        def pullback(rows: Array, rule: CollocationTableau, y: Array) -> tuple[Array, Factors]:
            at = states[len(rule.c)].take(rows)
            gx, factors = at.pullback(y, np.ones(len(at.lane), y.dtype))
            return -gx, factors

        given = self.adjoint[lane], h, self.past.take(lane), self.ladder
        return iterate(pullback, *given, MOST_BACKWARD, self.control)

    def _states(self, lane: Array, windows: list[Window], nodes: int) -> FixedStates:
        """Return the states at a number of Gauss nodes of the windows, the last of them first."""
        finest, c = gauss(self.ladder[-1]), gauss(nodes).c
        start, h = np.array([[window.t + window.h, -window.h] for window in windows]).T[..., None]
        left, right = np.array([window.ends for window in windows]).T[..., None]
        x = np.stack([window.states for window in windows])
        # Gauss nodes are symmetric: those of reversed time are the same, last first.
        weights = finest.values_at(c)[::-1].astype(x.dtype)
        t, x = inside(start + h * c, left, right), weights @ x
        rows = np.repeat(lane, nodes), t.ravel(), x.reshape(t.size, -1)
        return fixed_states(self.problem, nodes, rows)
