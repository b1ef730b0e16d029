"""The theta-gradient as a quadrature at the step points of an adjoint solve, refined where asked.

The pullbacks of the solve are the values of the integrand, so that these nodes cost nothing more.
"""

import numpy as np

from gradpareto.estimators.solvers.multistep.adams import AdamsSolution
from gradpareto.estimators.solvers.multistep.nodes import Nodes
from gradpareto.estimators.solvers.multistep.sketch import sketch
from gradpareto.estimators.solvers.right_hand_side import Path
from gradpareto.systems import Array, Problem

MOST_ROUNDS = 12
"""An interval that was halved this number of times and is not resolved is not smooth."""
AT_ONCE = 64
"""This number of nodes of each lane is contracted in one product."""


class StepPointQuadrature:
    """N nodes of all lanes, sorted as in the adjoint's solution, with their theta-cotangents."""

    def __init__(self, problem: Problem, adjoint: AdamsSolution, lanes: int) -> None:
        self.problem, self.adjoint, self.lanes = problem, adjoint, lanes
        self.nodes, self.lane = adjoint.dense.nodes, adjoint.lane
        self.factors, self.sketches = adjoint.integrand, sketch(adjoint.integrand)
        self.rule = self.nodes.composite_rule(self.sketches)
        self.gap = adjoint.gap

    def refine(self, tolerance: float, path: Path, beside: Array) -> None:
        """Halve intervals whose error is above their share of tolerance times the gradient.

        That is the stacked gradient, of which `beside` (B,) is the norm of the rest: where the
        integral all but vanishes, as at an optimum, it need not be resolved. x comes from `path`,
        alpha from the adjoint's dense output. Errors are estimated in the sketch, and equal shares,
        by the number of intervals, add up to the tolerance. An error below the one that alpha
        leaves is ignored, because more nodes would only resolve its roughness.
        """
        for _ in range(MOST_ROUNDS):
            weighted = self.rule.weights[:, None] * self.sketches
            total = np.zeros((self.lanes, weighted.shape[1]))
            np.add.at(total, self.lane, weighted)
            nodes = np.maximum(np.bincount(self.lane, minlength=self.lanes), 1)
            share = np.hypot(np.linalg.norm(total, axis=1), beside) / nodes
            error = self.rule.error
            large = error > tolerance * share[self.lane]
            marked = np.flatnonzero(large & (error > self._noise()))
            if not len(marked):
                return
            self.halve(marked, path)

    def _noise(self) -> Array:
        """Return the error (N,), in the sketch, that alpha's own causes in each interval."""
        size = np.linalg.norm(self.sketches, axis=1)
        length = np.diff(self.nodes.time, append=self.nodes.time[-1:])
        return np.asarray(np.abs(length) * self.gap * size)

    def halve(self, marked: Array, path: Path) -> None:
        """Add a node in the middle of each interval behind the nodes `marked` (R,)."""
        lane, direction = self.lane[marked], self.adjoint.dense.direction
        time = 0.5 * (self.nodes.time[marked] + self.nodes.time[marked + 1])
        x = path(lane, direction * time)
        alpha = self.adjoint.dense(lane, direction * time)
        _, factors = self.problem.pullback(lane, direction * time, x, alpha, np.ones_like(x[:, 0]))
        behind = marked + 1
        self.nodes = Nodes(
            np.insert(self.nodes.group, behind, self.nodes.group[marked]),
            np.insert(self.nodes.time, behind, time),
        )
        self.lane = np.insert(self.lane, behind, lane)
        self.gap = np.insert(self.gap, behind, self.gap[marked])
        self.sketches = np.insert(self.sketches, behind, sketch(factors), axis=0)
        self.factors = tuple(
            np.insert(old, behind, new, axis=0)
            for old, new in zip(self.factors, factors, strict=True)
        )
        self.rule = self.nodes.composite_rule(self.sketches)

    def gradient(self) -> Array:
        """Contract the weighted nodes, those of a lane side by side, to dL/dtheta (B, P)."""
        precision = self.factors[0].dtype
        value = np.zeros((self.lanes, self.problem.policy.size), precision)
        place = np.arange(len(self.lane)) - np.searchsorted(self.lane, self.lane)
        for start in range(0, int(place.max(initial=-1)) + 1, AT_ONCE):
            held = np.flatnonzero((place >= start) & (place < start + AT_ONCE))
            at = place[held] - start, self.lane[held]
            weights = np.zeros((AT_ONCE, self.lanes), precision)
            weights[at] = self.rule.weights[held]
            padded = []
            for part in self.factors:
                rows = np.zeros((AT_ONCE, self.lanes, part.shape[1]), precision)
                rows[at] = part[held]
                padded.append(rows)
            value += self.problem.contract(list(zip(*padded, strict=True)), weights[None])[0]
        return value
