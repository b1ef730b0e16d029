"""Values at the step points of all lanes, their Newton series, and their composite quadrature."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from gradpareto.estimators.solvers.multistep.divided_differences import (
    MOST_NODES,
    antiderivatives,
    basis_integrals,
    partial_weights,
    scaled_differences,
)
from gradpareto.systems import Array

MUCH_WEIGHT = 4.0
"""Absolute weights that add up to more than this multiple of an interval count against a rule.

Positive weights add up to 1 interval, those of Adams and Moulton of order 8 to 5.
"""
FAR = 1e3
"""A short segment is padded with nodes this number of intervals away."""
AT_ONCE = 1024
"""The intervals whose series are made together: what they take stays in the cache."""
_ENDS = np.arange(2, MOST_NODES - 1, 2)
_COLUMN = np.arange(MOST_NODES)


@dataclass(frozen=True)
class Nodes:
    """N nodes, sorted by `group` (N,), the lane and smooth segment, and by `time` (N,) within.

    Time is the solve's own, and grows in its direction. No polynomial reaches across two groups.
    What is known of a node stands at its `row` (N,) of other arrays.
    """

    group: Array
    time: Array
    row: Array

    @classmethod
    def sorting(cls, group: Array, time: Array) -> Self:
        """Return the nodes of rows (N,) in any order."""
        row = np.lexsort((time, group))
        return cls(group[row], time[row], row)

    def insert(self, behind: Array, time: Array) -> Self:
        """Add nodes behind those at positions `behind` (R,), which get the next rows."""
        place, row = behind + 1, len(self.row) + np.arange(len(behind))
        group = np.insert(self.group, place, self.group[behind])
        return type(self)(group, np.insert(self.time, place, time), np.insert(self.row, place, row))

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """The first and the last node of each node's group, (N,) each."""
        new = np.append(True, self.group[1:] != self.group[:-1])
        starts, number = np.flatnonzero(new), np.cumsum(new) - 1
        return starts[number], np.append(starts[1:], len(new))[number] - 1

    @cached_property
    def length(self) -> Array:
        """The distance (N,) of each node from the next, whatever its group; the last has none."""
        return np.append(np.diff(self.time), 0)

    @cached_property
    def _keys(self) -> tuple[float, Array]:
        """All groups one behind the other on one axis, so that one search finds times in any."""
        stride = 4 * (np.abs(self.time).max() + 1)
        return stride, self.group * stride + self.time

    @cached_property
    def _behind(self) -> Array:
        """The interval (N + 1,) for a time behind as many nodes: a group's last node has none."""
        first, last = self.bounds
        own = np.clip(np.arange(len(first)), first, np.maximum(last - 1, first))
        return np.append(0, own)

    @property
    def intervals(self) -> Array:
        """The nodes that are followed by another of their group."""
        return np.flatnonzero(np.arange(len(self.time)) < self.bounds[1])

    def interval_of(self, group: Array, time: Array) -> Array:
        """Return the node (...) at the start of the interval with time (...) of group (...)."""
        stride, keys = self._keys
        return self._behind[np.searchsorted(keys, group * stride + time, side="right")]

    def window(self, interval: Array) -> tuple[Array, Array]:
        """Return the first of the nodes around intervals (R,), and their number (R,)."""
        first, last = (bound[interval] for bound in self.bounds)
        count = np.minimum(MOST_NODES, last - first + 1)
        return np.clip(interval + 1 - MOST_NODES // 2, first, last + 1 - count), count

    def intervals_near(self, marked: Array) -> Array:
        """Return the intervals around which there is a node among those `marked` (N,), as bools."""
        interval, before = self.intervals, np.append(0, np.cumsum(marked))
        start, count = self.window(interval)
        return np.asarray(interval[before[start + count] > before[start]])

    def near(self, interval: Array) -> tuple[Array, Array, Array, Array]:
        """Return the nodes around intervals (R,), by distance from their middle (R, J).

        Also return their times in units of the interval's length, from its start, the number of
        them that are real (R,), and the length (R,). The first few are always neighbours.
        """
        start, count = self.window(interval)
        index = start[:, None] + np.minimum(_COLUMN, count[:, None] - 1)
        length = self.length[interval]
        fraction = (self.time[index] - self.time[interval, None]) / length[:, None]
        fraction = np.where(count[:, None] > _COLUMN, fraction, FAR + _COLUMN)
        nearest = np.argsort(np.abs(fraction - 0.5), axis=1, kind="stable")
        nearest += MOST_NODES * np.arange(len(interval))[:, None]
        return index.take(nearest), fraction.take(nearest), count, length

    def series(self, values: Array, interval: Array) -> Iterator["NewtonSeries"]:
        """Yield the series of values (N, m), in rows, in some intervals (R,), a few at a time."""
        for start in range(0, len(interval) or 1, AT_ONCE):
            index, fraction, count, length = self.near(interval[start : start + AT_ONCE])
            read = np.zeros(len(self.time), dtype=bool)
            read[index] = True
            place = (np.cumsum(read) - 1)[np.minimum.accumulate(index, axis=1)]
            differences, spans = scaled_differences(
                self.group[read], self.time[read], values[self.row[read]], MOST_NODES
            )
            yield NewtonSeries(index, fraction, count, length, place, differences, spans)

    def composite_rule(self, values: Array, interval: Array) -> "CompositeRule":
        """Choose a quadrature of values (N, m), in rows, for each interval of some (R,).

        Each takes the even number of nodes nearest to it for which the next two terms are smallest
        in the 2-norm over the m components: those are its error. Where nodes crowd on one side,
        weights alternate in sign and multiply the errors of the values: a sum of absolute weights
        above MUCH_WEIGHT lengths of the interval counts against such a number.
        """
        parts = []
        for series in self.series(values, interval):
            used, error, weights = series.end()
            chosen = np.zeros((MOST_NODES, len(used)))
            for end in np.unique(used):
                chosen[:end, used == end] = weights[end - 1][:, used == end]
            parts.append((used, error, self.row[series.index], chosen.T * series.length[:, None]))
        return CompositeRule(*map(np.concatenate, zip(*parts, strict=True)))


@dataclass(frozen=True)
class CompositeRule:
    """A quadrature over R intervals: each one's number of nodes, and its error, (R,) each.

    The nodes of an interval are those in `rows` (R, J), with `weights` (R, J).
    """

    used: Array
    error: Array
    rows: Array
    weights: Array


@dataclass(frozen=True)
class NewtonSeries:
    """Newton's series of values around R intervals, each through the nodes nearest to it.

    The first four are what `Nodes.near` returns. Term j of interval r is the entry j, :,
    place[r, j] of the `scaled_differences` of the values.
    """

    index: Array
    fraction: Array
    count: Array
    length: Array
    place: Array
    differences: Array
    spans: Array

    def end(self) -> tuple[Array, Array, list[Array]]:
        """Choose where each series ends: the number of nodes (R,) and the error there (R,).

        Also return the weights of the nodes, of an interval of length 1, for every number of them.
        """
        integrals = basis_integrals(self.fraction, np.ones(len(self.length)))
        sizes = np.sqrt(np.einsum("jmn,jmn->jn", self.differences, self.differences)).astype(float)
        scale = np.abs(integrals) * self.length[:, None] ** (_COLUMN + 1)
        weights = partial_weights(self.fraction[:, : _ENDS[-1]], integrals)
        heavy = np.stack([np.abs(weights[end - 1]).sum(axis=0) for end in _ENDS], axis=1)
        terms = scale * (sizes / self.spans)[_COLUMN, self.place]
        return *_smallest(terms, heavy, self.count), weights

    def antiderivatives(self) -> Array:
        """Integrate each series from the beginning of its interval, up to where it ends.

        Return the coefficients (R, K, m) of the powers 1 to K of a time since then, in units of the
        interval's length.
        """
        used, _, _ = self.end()
        terms, column = int(used.max(initial=1)), np.arange(used.max(initial=1))[:, None]
        place = self.place.T[:terms]
        scale = self.length ** (column + 1) / self.spans[column, place]
        scale = np.where(column < used, scale, 0)
        weights = antiderivatives(self.fraction, terms) * scale[:, None]
        values = self.differences[:terms].transpose(2, 0, 1)[place.T, column.T]
        return np.asarray(weights.transpose(2, 1, 0).astype(values.dtype, order="C") @ values)


def _smallest(sizes: Array, heavy: Array, count: Array) -> tuple[Array, Array]:
    """Choose where to end series of terms (R, J), and return that and the error there.

    `count` (R,) of the terms are there; `heavy` (R, E) is the absolute weight of each end.
    """
    sizes = np.where(count[:, None] > _COLUMN, sizes, 0)
    pairs = np.maximum(sizes[:, _ENDS], sizes[:, _ENDS + 1])
    pairs = np.where(count[:, None] > _ENDS, pairs, np.inf)
    best = (pairs * np.maximum(heavy, MUCH_WEIGHT)).argmin(axis=1)
    error = pairs[np.arange(len(pairs)), best]
    return np.where(np.isfinite(error), _ENDS[best], np.minimum(count, 2)), error
