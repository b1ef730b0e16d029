"""Values at the step points of all lanes: their interpolation and their composite quadrature."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradpareto.estimators.solvers.multistep.divided_differences import (
    MOST_NODES,
    partial_sum,
    term_weights,
)
from gradpareto.systems import Array

MUCH_WEIGHT = 4.0
"""Absolute weights that add up to more than this multiple of an interval count against a rule.

Positive weights add up to 1 interval, those of Adams and Moulton of order 8 to 5.
"""
FAR = 1e3
"""A short segment is padded with nodes this number of intervals away."""


@dataclass(frozen=True)
class Nodes:
    """N nodes, sorted by `group` (N,), the lane and smooth segment, and by `time` (N,) within.

    Time is the solve's own, and grows in its direction. No polynomial reaches across two groups.
    """

    group: Array
    time: Array

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """The first and the last node of each node's group, (N,) each."""
        first = np.searchsorted(self.group, self.group, side="left")
        return first, np.searchsorted(self.group, self.group, side="right") - 1

    @cached_property
    def _keys(self) -> tuple[float, Array]:
        """All groups one behind the other on one axis, so that one search finds times in any."""
        stride = 4 * (np.abs(self.time).max() + 1)
        return stride, self.group * stride + self.time

    @property
    def intervals(self) -> Array:
        """The nodes that are followed by another of their group."""
        return np.flatnonzero(np.arange(len(self.time)) < self.bounds[1])

    def interval_of(self, group: Array, time: Array) -> Array:
        """Return the node (R,) at the start of the interval that holds time (R,) of group (R,)."""
        stride, keys = self._keys
        found = np.searchsorted(keys, group * stride + time, side="right") - 1
        first, last = (bound[np.maximum(found, 0)] for bound in self.bounds)
        return np.asarray(np.clip(found, first, np.maximum(last - 1, first)))

    def near(self, interval: Array) -> tuple[Array, Array, Array, Array]:
        """Return the nodes around intervals (R,), by distance from their middle (R, J).

        Also return their times in units of the interval's length, from its start, the number of
        them that are real (R,), and the length (R,).
        """
        first, last = (bound[interval] for bound in self.bounds)
        count = np.minimum(MOST_NODES, last - first + 1)
        start = np.clip(interval + 1 - MOST_NODES // 2, first, last + 1 - count)
        column = np.arange(MOST_NODES)
        index = np.minimum(start[:, None] + column, last[:, None])
        origin = self.time[interval]
        length = self.time[interval + 1] - origin
        fraction = (self.time[index] - origin[:, None]) / length[:, None]
        fraction = np.where(column < count[:, None], fraction, FAR + column)
        nearest = np.argsort(np.abs(fraction - 0.5), axis=1, kind="stable")
        index, fraction = (np.take_along_axis(part, nearest, 1) for part in (index, fraction))
        return index, fraction, count, length

    def composite_rule(self, values: Array) -> "CompositeRule":
        """Choose a quadrature of values (N, m) for each interval, and add up the weights.

        Each interval takes the even number of nodes nearest to it for which the next two terms are
        smallest in the 2-norm over the m components: those are its error. Where nodes crowd on one
        side, weights alternate in sign and multiply the errors of the values: a sum of absolute
        weights above MUCH_WEIGHT lengths of the interval counts against such a number.
        """
        interval = self.intervals
        index, fraction, count, length = self.near(interval)
        terms = term_weights(fraction, np.ones(len(interval))) * length[:, None, None]
        sizes = np.linalg.norm(terms.astype(values.dtype) @ values[index], axis=2)
        used, error = np.zeros(len(self.time), dtype=int), np.zeros(len(self.time))
        weight = np.abs(np.cumsum(terms, axis=1)).sum(axis=2) / length[:, None]
        used[interval], error[interval] = _smallest(sizes.astype(float), weight, count)
        weights = np.zeros(len(self.time))
        np.add.at(weights, index, partial_sum(terms, used[interval]))
        return CompositeRule(used, error, weights)


@dataclass(frozen=True)
class CompositeRule:
    """A quadrature over all intervals, with weights (N,) of the nodes.

    For the interval behind each node (N,), `used` is the number of nodes it takes and `error` is
    its error.
    """

    used: Array
    error: Array
    weights: Array


def _smallest(sizes: Array, weight: Array, count: Array) -> tuple[Array, Array]:
    """Choose where to end series of terms (R, J), and return that and the error there.

    `count` (R,) of the terms are there; `weight` (R, J) is that of each term and those before it.
    """
    sizes = np.where(np.arange(MOST_NODES) < count[:, None], sizes, 0)
    ends = np.arange(2, MOST_NODES - 1, 2)
    pairs = np.maximum(sizes[:, ends], sizes[:, ends + 1])
    pairs = np.where(ends < count[:, None], pairs, np.inf)
    best = (pairs * np.maximum(weight[:, ends - 1], MUCH_WEIGHT)).argmin(axis=1)
    error = pairs[np.arange(len(pairs)), best]
    return np.where(np.isfinite(error), ends[best], np.minimum(count, 2)), error


@dataclass(frozen=True)
class NodeOutput:
    """The dense output of a multistep solve: y at a node, plus the integral of y' from there on.

    It integrates the polynomial of `composite_rule` for y', through nodes on both sides of the
    interval, where the step had none but those behind it. `y` and `slope` are (N, m), `used` (N,).
    `stops` are the ends of the smooth segments in the solve's order; group k * (len(stops) - 1) + n
    is that of lane k and segment n. `direction` is 1 or -1.
    """

    nodes: Nodes
    y: Array
    slope: Array
    used: Array
    stops: Array
    direction: float

    def __call__(self, lane: Array, t: Array) -> Array:
        """Evaluate y(t) (..., R, m) in rows that belong to `lane` (R,) at times t (..., R)."""
        time, segments = self.direction * t.ravel(), len(self.stops) - 1
        segment = np.searchsorted(self.direction * self.stops, time, side="right") - 1
        segment = np.clip(segment, 0, segments - 1)
        group = np.broadcast_to(lane, t.shape).ravel() * segments + segment
        interval = self.nodes.interval_of(group, time)
        index, fraction, _, length = self.nodes.near(interval)
        upto = (time - self.nodes.time[interval]) / length
        weights = partial_sum(term_weights(fraction, upto), self.used[interval])
        weights *= self.direction * length[:, None]
        change = weights[:, None].astype(self.y.dtype) @ self.slope[index]
        return np.asarray((self.y[interval] + change[:, 0]).reshape(*t.shape, -1))
