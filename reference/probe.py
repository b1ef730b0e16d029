"""A search along solved trajectories, at random times, for what the solvers' steps did not see.

Between the Gauss nodes of a step everything that is integrated is a polynomial to the methods: the
right-hand side, the running cost, and their pullbacks. Here it is evaluated at stratified random
times, one in each of many cells of the horizon, and compared with that polynomial. A feature that
is shorter than the distance of the nodes shows as a difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from gradpareto.reference.continuous import NODES, Trajectory
from gradpareto.reference.quadrature import gauss
from gradpareto.systems import Array, Factors, Problem

CELLS, ROWS, NUMBERS = 20_000, 640_000, 4_000_000
"""The cells of the horizon, unless the batch then has more than ROWS of them in all, or one of its
trajectories more than NUMBERS of values."""
A_STEP = 4
"""The least number of cells of a step."""


@dataclass(frozen=True)
class Probe:
    """Holds what is integrated along one trajectory at R ascending times, a random one a cell.

    `values` (R, m) are x', w, the pullback's x-cotangent and its theta-cotangent along the given
    directions; `off` (R, m) is their distance from the polynomials of the `step` (R,) they are in.
    `widths` (R,) are the cells' lengths.
    """

    t: Array
    step: Array
    widths: Array
    values: Array
    off: Array

    @property
    def missed(self) -> Array:
        """The integral of |off| over each step, relative to that of |values| over all: (S, m)."""
        sums = np.zeros((self.step[-1] + 1, self.values.shape[1]))
        np.add.at(sums, self.step, self.widths[:, None] * np.abs(self.off))
        whole = (self.widths[:, None] * np.abs(self.values)).sum(axis=0)
        return np.asarray(sums / np.where(whole > 0, whole, 1))


def cells_of(lanes: int, state_dim: int) -> int:
    """Return the number of cells of the horizon for a batch of lanes."""
    return min(CELLS, max(1, ROWS // lanes), max(1, NUMBERS // (2 * state_dim + 3)))


def probe(path: Trajectory, directions: Array, cells: int, rng: np.random.Generator) -> Probe:
    """Probe a trajectory; `directions` (K, P) are those of theta along which it is looked at."""
    edges = np.unique(np.concatenate(path.meshes))
    start, h = edges[:-1], np.diff(edges)
    count = np.maximum(A_STEP, np.ceil(h / path.problem.horizon * cells)).astype(int)
    step = np.repeat(np.arange(len(h)), count)
    number = np.arange(len(step)) - np.repeat(np.cumsum(count) - count, count)
    place = (number + rng.random(len(step))) / count[step]
    t = start[step] + h[step] * place
    values = integrands(path, t, directions)
    c, b = gauss(NODES)
    nodes = integrands(path, (start[:, None] + h[:, None] * c).ravel(), directions)
    nodes = nodes.reshape(len(h), NODES, -1)
    basis = legendre.legvander(2 * place - 1, NODES - 1) * (2 * np.arange(NODES) + 1)
    weights = basis @ legendre.legvander(2 * c - 1, NODES - 1).T * b
    smooth = np.zeros_like(values)
    for k in range(NODES):
        smooth += weights[:, k, None] * nodes[step, k]
    return Probe(t, step, h[step] / count[step], values, values - smooth)


def integrands(path: Trajectory, t: Array, directions: Array) -> Array:
    """Return (R, m) at times t (R,): x', w, and the pullback of (alpha, 1) in x and in theta."""
    problem, lane, x = path.problem, np.full(len(t), path.lane), path.x(t)
    dx, w = problem.flow(lane, t, x)
    gx, factors = problem.pullback(lane, t, x, path.alpha(t), np.ones(len(t)))
    along = [_along(problem, factors, direction) for direction in directions]
    return np.column_stack([dx, w, gx, *along])


def _along(problem: Problem, factors: Factors, direction: Array) -> Array:
    """Multiply theta-cotangents of R rows, in factors, with a direction (P,): (R,)."""
    total = np.zeros(len(factors[0]))
    for number, (weight, bias) in enumerate(problem.policy.layers(direction)):
        delta, inputs = factors[2 * number], factors[2 * number + 1]
        total += ((delta @ weight) * inputs).sum(axis=1) + delta @ bias
    return total
