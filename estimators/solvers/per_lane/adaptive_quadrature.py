"""The theta-gradient of one lane by three-point Gauss rules on intervals that are halved."""

import numpy as np

from gradpareto.estimators.solvers.per_lane.solver import SegmentSolution
from gradpareto.systems import Array, Problem

NODES, WEIGHTS = np.polynomial.legendre.leggauss(3)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2
ROUGHNESS = 0.1
"""The error of an interval as a multiple of the third power of the midpoint rule's.

On exp(z t), the midpoint misses z^2 / 24 of an interval's integral, and three nodes 0.007 times the
third power of that: the error is known without another evaluation, and taken for 14 times as large.
"""
AT_ONCE = 32
"""This number of intervals, whose integrals have P components each, is held together."""
MOST_PIECES = 2**14


def integrate(
    problem: Problem,
    index: int,
    legs: tuple[SegmentSolution, SegmentSolution],
    edges: Array,
    tolerance: float,
) -> Array:
    """Integrate pullback_theta(x(t), alpha(t)) dt (P,) over a mesh of rising `edges` (N + 1,).

    `legs` are the solutions of (x, cost) and of alpha in lane `index`. An interval has three Gauss
    nodes, and is halved where the error they leave may exceed `tolerance`, relative to the integral
    of the integrand's norm. Raises ValueError where halving does not help.
    """
    total, done = np.zeros(problem.policy.size), 0
    starts, lengths = edges[:-1], np.diff(edges)
    while len(starts):
        done += len(starts)
        if done > MOST_PIECES:
            raise ValueError(f"no quadrature of the parameter gradient to {tolerance:g}")
        again = []
        for first in range(0, len(starts), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            sums, missed = _pieces(problem, index, legs, starts[part], lengths[part])
            # A piece that rounding keeps from being smooth is as good as it gets.
            small = lengths[part] < 1e-9 * (edges[-1] - edges[0])
            smooth = (missed <= tolerance) | small | ~np.isfinite(missed)
            total += sums[smooth].sum(axis=0)
            again.append(~smooth)
        rough = np.concatenate(again)
        half = lengths[rough] / 2
        starts = np.concatenate([starts[rough], starts[rough] + half])
        lengths = np.concatenate([half, half])
    return total


def _pieces(
    problem: Problem,
    index: int,
    legs: tuple[SegmentSolution, SegmentSolution],
    starts: Array,
    lengths: Array,
) -> tuple[Array, Array]:
    """Return the integrals of intervals (N, P), and the part that each may be off by (N,)."""
    nodes, sizes = [], np.zeros(len(starts))
    lane, one = np.full(len(starts), index), np.ones(len(starts))
    for node in NODES:
        t = starts + node * lengths
        y, alpha = (np.stack([leg.at(s) for s in t]) for leg in legs if leg.at is not None)
        nodes.append(problem.pullback(lane, t, y[:, :-1], alpha, one)[1])
    kinds = np.stack([WEIGHTS, WEIGHTS - [0, 1, 0]])
    sums, off = problem.contract(nodes, kinds[:, :, None] * lengths)
    for weight, factors in zip(WEIGHTS, nodes, strict=True):
        each = problem.contract([factors], weight * lengths[None, None])[0]
        sizes += np.linalg.norm(each, axis=1)
    share = np.linalg.norm(off, axis=1) / np.maximum(sizes, np.finfo(float).tiny)
    return sums, ROUGHNESS * share**3
