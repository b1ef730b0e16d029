"""The quadrature limit: the fewest pullbacks that can make a theta-gradient of a given error."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from gradpareto.reference.continuous import Trajectory
from gradpareto.reference.quadrature import gauss
from gradpareto.systems import Array

MAX_VJPS = 256
LEAST_DEPTH, MOST_DEPTH = 4, 8
"""A smooth segment is halved LEAST_DEPTH times even if it is resolved, and MOST_DEPTH at most."""
LEAF_NODES = 16
"""The largest number of nodes that a leaf's rule has."""
_RULES = (*range(1, LEAF_NODES + 1), 24)
"""The nodes of the rules tried on a piece; the others are measured against the last."""
_FLOOR = 1e-14
"""The error, relative to the gradient's size, at which a piece is resolved."""


@dataclass(frozen=True)
class QuadratureLimit:
    """The numbers vjps (K,) = 1 .. K, and the smallest abs_error (B, K) within each number.

    The error is the 2-norm of dL/dtheta's error, in its units, x and alpha being given exactly.
    """

    vjps: Array
    abs_error: Array

    @classmethod
    def unknown(cls, lanes: int) -> "QuadratureLimit":
        """Return the limit of lanes of which nothing is known: NaN."""
        return cls(np.arange(1, MAX_VJPS + 1), np.full((lanes, MAX_VJPS), np.nan))


def quadrature_limit(paths: Sequence[Trajectory]) -> QuadratureLimit:
    """Find the limit of each sample, from its x(t) and alpha(t).

    A mesh is a composite Gauss-Legendre rule whose leaves come from halving the smooth segments,
    each leaf with its own number of nodes (none where the integral is negligible). The best are
    found from the leaves up by dynamic programming: two halves share k nodes so that the sum of
    their errors' norms is smallest, unless one rule of k nodes does better. Every error on the
    curve is that of an actual mesh, measured as the norm of its error vector.
    """
    curves = np.empty((len(paths), MAX_VJPS))
    for curve, path in zip(curves, paths, strict=True):
        segments = list(pairwise(path.problem.segments))
        sizes = [path.alpha(np.zeros(1))] + [_integrals(path, a, b)[-1] for a, b in segments]
        floor = _FLOOR * max(float(np.linalg.norm(size)) for size in sizes)
        pieces = [_best_meshes(path, a, b, 0, floor)[0] for a, b in segments]
        norms = np.linalg.norm(reduce(_share, pieces), axis=1)
        padded = np.pad(norms, (0, MAX_VJPS), mode="edge")
        curve[:] = np.minimum.accumulate(padded)[1 : MAX_VJPS + 1]
    return QuadratureLimit(np.arange(1, MAX_VJPS + 1), curves)


def _best_meshes(
    path: Trajectory, a: float, b: float, depth: int, floor: float
) -> tuple[Array, Array]:
    """Return error vectors (K + 1, P) of the best meshes of 0 .. K nodes, and the integral (P,)."""
    integrals = _integrals(path, a, b)
    resolved = depth >= LEAST_DEPTH and np.linalg.norm(integrals[-2] - integrals[-1]) <= floor
    if resolved or depth == MOST_DEPTH:
        return integrals[:-1] - integrals[-1], integrals[-1]
    middle = 0.5 * (a + b)
    left, left_exact = _best_meshes(path, a, middle, depth + 1, floor)
    right, right_exact = _best_meshes(path, middle, b, depth + 1, floor)
    exact, best = left_exact + right_exact, _share(left, right)
    whole = integrals[:-1] - exact
    tried = min(len(whole), len(best))
    wins = np.linalg.norm(whole[:tried], axis=1) < np.linalg.norm(best[:tried], axis=1)
    best[:tried][wins] = whole[:tried][wins]
    return best, exact


def _integrals(path: Trajectory, a: float, b: float) -> Array:
    """Integrate over [a, b] by no node (0) and by each rule of _RULES: (1 + rules, P)."""
    c = np.concatenate([gauss(nodes)[0] for nodes in _RULES])
    factors = path.pullback(a + (b - a) * c)
    nodes = list(zip(*(factor[:, None] for factor in factors), strict=True))
    integrals = np.zeros((1 + len(_RULES), path.problem.policy.size))
    start = 0
    for row, count in zip(integrals[1:], _RULES, strict=True):
        weights = (b - a) * gauss(count)[1]
        row[:] = path.problem.contract(nodes[start : start + count], weights[None])[0, 0]
        start += count
    return integrals


def _share(left: Array, right: Array) -> Array:
    """Return the error vectors of the best divisions of 0 .. K nodes between two neighbours."""
    a, b = np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1)
    total = np.arange(min(len(a) + len(b) - 1, MAX_VJPS + 1))
    rest = total[:, None] - np.arange(len(a))
    possible = (rest >= 0) & (rest < len(b))
    sums = np.where(possible, a + b[np.clip(rest, 0, len(b) - 1)], np.inf)
    chosen = sums.argmin(axis=1)
    return np.asarray(left[chosen] + right[total - chosen])
