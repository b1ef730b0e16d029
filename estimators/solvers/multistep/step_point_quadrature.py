"""The theta-gradient as a quadrature at the step points of an adjoint solve, refined where asked.

The pullbacks of the solve are the values of the integrand, so that these nodes cost nothing more.
"""

import numpy as np

from gradpareto.estimators.solvers.multistep.adams import AdamsSolution
from gradpareto.estimators.solvers.multistep.divided_differences import MOST_NODES
from gradpareto.estimators.solvers.right_hand_side import Path
from gradpareto.estimators.solvers.row_blocks import row_blocks, rows_at_once
from gradpareto.estimators.solvers.sketch import SIZE, sketch
from gradpareto.systems import Array, Factors, Problem

MOST_ROUNDS = 12
"""An interval that was halved this number of times and is not resolved is not smooth."""
AT_ONCE = 64
"""This number of nodes of each lane is contracted in one product."""
BLOCKS = 4
"""This number of blocks of lanes is contracted at once: calls would cost more than fewer rows."""
ROWS_AT_ONCE = 256
"""Nodes of this number of rows or more are sketched in one call."""


class StepPointQuadrature:
    """N nodes of all lanes, in rows, with their theta-cotangents: first those of the adjoint's.

    `weights` (N,) add up to the integral; `error` (N,) is that over the interval behind each node.
    """

    def __init__(self, problem: Problem, adjoint: AdamsSolution, lanes: int) -> None:
        self.problem, self.adjoint, self.lanes = problem, adjoint, lanes
        self.nodes, self.lane, self.gap = adjoint.dense.nodes, adjoint.lane, adjoint.gap
        self.factors = adjoint.integrands.copy()
        self.sketches = _sketches(self.factors)
        self.total = np.zeros((lanes, SIZE))
        self.weights, self.error = np.zeros((2, 0))
        self.near, self.shares = np.zeros((0, MOST_NODES), dtype=int), np.zeros((0, MOST_NODES))
        self._renew(self.nodes.intervals)

    def refine(self, tolerance: float, path: Path, beside: Array) -> None:
        """Halve intervals whose error is above their share of tolerance times the gradient.

        That is the stacked gradient, of which `beside` (B,) is the norm of the rest: where the
        integral all but vanishes, as at an optimum, it need not be resolved. x comes from `path`,
        alpha from the adjoint's dense output. Errors are estimated in the sketch, and equal shares,
        by the number of intervals, add up to the tolerance. An error below the one that alpha
        leaves is ignored, because more nodes would only resolve its roughness.
        """
        for _ in range(MOST_ROUNDS):
            nodes = np.maximum(np.bincount(self.lane, minlength=self.lanes), 1)
            share = np.hypot(np.linalg.norm(self.total, axis=1), beside) / nodes
            row = self.nodes.row
            large = self.error[row] > tolerance * share[self.lane[row]]
            marked = np.flatnonzero(large)
            marked = marked[self.error[row[marked]] > self._noise(marked)]
            if not len(marked):
                return
            self.halve(marked, path)

    def _noise(self, interval: Array) -> Array:
        """Return the error (R,), in the sketch, that alpha's own causes in some intervals (R,)."""
        row, time = self.nodes.row[interval], self.nodes.time
        size = np.linalg.norm(self.sketches[row], axis=1)
        return np.asarray((time[interval + 1] - time[interval]) * self.gap[row] * size)

    def halve(self, marked: Array, path: Path) -> None:
        """Add a node in the middle of each interval behind the nodes `marked` (R,)."""
        row, direction = self.nodes.row[marked], self.adjoint.dense.direction
        lane = self.lane[row]
        time = 0.5 * (self.nodes.time[marked] + self.nodes.time[marked + 1])
        x = path(lane, direction * time)
        alpha = self.adjoint.dense.at_few(lane, direction * time)
        _, factors = self.problem.pullback(lane, direction * time, x, alpha, np.ones_like(x[:, 0]))
        self.factors.append(factors)
        self.sketches = np.concatenate([self.sketches, sketch(factors)])
        self.lane = np.concatenate([self.lane, lane])
        self.gap = np.concatenate([self.gap, self.gap[row]])
        new = len(self.nodes.row)
        self.nodes = self.nodes.insert(marked, time)
        self._renew(self.nodes.intervals_near(self.nodes.row >= new))

    def _renew(self, interval: Array) -> None:
        """Choose the rule over some intervals (R,) afresh, and change the weights accordingly."""
        rule = self.nodes.composite_rule(self.sketches, interval)
        size, row = len(self.nodes.row), self.nodes.row[interval]
        for name in ("weights", "error", "near", "shares"):
            setattr(self, name, _lengthened(getattr(self, name), size))
        change = np.bincount(rule.rows.ravel(), rule.weights.ravel(), size)
        change -= np.bincount(self.near[row].ravel(), self.shares[row].ravel(), size)
        self.near[row], self.shares[row], self.error[row] = rule.rows, rule.weights, rule.error
        self.weights += change
        moved = np.flatnonzero(change)
        np.add.at(self.total, self.lane[moved], change[moved, None] * self.sketches[moved])

    def gradient(self) -> Array:
        """Contract the weighted nodes to dL/dtheta (B, P), those of a few lanes at a time."""
        value = np.zeros((self.lanes, self.problem.policy.size), self.factors[0][0].dtype)
        pieces, at_once = self._pieces(), BLOCKS * rows_at_once(value)
        edges = np.append(np.arange(0, self.lanes, at_once), self.lanes)
        cuts = np.array([np.searchsorted(self.lane[rows], edges) for rows, _ in pieces])
        for lanes, low, high in zip(
            row_blocks(self.lanes, at_once), cuts.T, cuts.T[1:], strict=False
        ):
            found = np.flatnonzero(high > low).tolist()
            for start in range(0, len(found), AT_ONCE):
                held = [
                    _rows_between(*pieces[k], low[k], high[k])
                    for k in found[start : start + AT_ONCE]
                ]
                value[lanes] += self._sum(held, lanes)
        return value

    def _sum(self, pieces: list[tuple[Array, Factors]], lanes: slice) -> Array:
        """Contract pieces, of which each has at most one row of each of some neighbouring lanes."""
        weights, nodes = np.zeros((len(pieces), lanes.stop - lanes.start)), []
        for own, (rows, factors) in zip(weights, pieces, strict=True):
            place = self.lane[rows] - lanes.start
            own[place] = self.weights[rows]
            nodes.append(_spread(factors, place, len(own)))
        return np.asarray(self.problem.contract(nodes, weights[None])[0])

    def _pieces(self) -> list[tuple[Array, Factors]]:
        """Return rows and their factors in pieces in each of which a lane has at most one."""
        pieces, end = [], 0
        for factors in self.factors:
            rows = np.arange(end, end + len(factors[0]))
            end += len(rows)
            lane = self.lane[rows]
            rank = np.arange(len(lane)) - np.searchsorted(lane, lane)
            for number in range(int(rank.max(initial=0)) + 1):
                own = np.flatnonzero(rank == number)
                whole = len(own) == len(rows)
                pieces.append((rows[own], factors if whole else tuple(p[own] for p in factors)))
        return pieces


def _sketches(pieces: list[Factors]) -> Array:
    """Sketch the rows (N, SIZE) of all pieces, of which short ones are joined."""
    found, held, rows = [], [], 0
    for factors in pieces:
        held.append(factors)
        rows += len(factors[0])
        if rows >= ROWS_AT_ONCE or factors is pieces[-1]:
            found.append(sketch(tuple(np.concatenate(parts) for parts in zip(*held, strict=True))))
            held, rows = [], 0
    return np.concatenate(found)


def _rows_between(rows: Array, factors: Factors, low: int, high: int) -> tuple[Array, Factors]:
    """Return a part of a piece."""
    if high - low == len(rows):
        return rows, factors
    return rows[low:high], tuple(part[low:high] for part in factors)


def _spread(factors: Factors, place: Array, lanes: int) -> Factors:
    """Put rows at a sorted `place` (R,) among those of all lanes, which are zeros elsewhere."""
    if len(place) == lanes:
        return factors
    spread = tuple(np.zeros((lanes, part.shape[1]), part.dtype) for part in factors)
    for whole, part in zip(spread, factors, strict=True):
        whole[place] = part
    return spread


def _lengthened(values: Array, size: int) -> Array:
    """Append zeros to values (N, ...), up to `size` of them."""
    return np.concatenate([values, np.zeros((size - len(values), *values.shape[1:]), values.dtype)])
