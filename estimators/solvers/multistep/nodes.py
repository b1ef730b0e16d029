"""Values at the step points of all lanes, and their composite quadrature."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from gradpareto.estimators.solvers.multistep.divided_differences import (
    MOST_NODES,
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
"""The intervals whose rules are chosen together: what they take stays in the cache."""
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
        origin = self.time[interval]
        length = self.time[interval + 1] - origin
        fraction = (self.time[index] - origin[:, None]) / length[:, None]
        fraction = np.where(count[:, None] > _COLUMN, fraction, FAR + _COLUMN)
        nearest = np.argsort(np.abs(fraction - 0.5), axis=1, kind="stable")
        index, fraction = (np.take_along_axis(part, nearest, 1) for part in (index, fraction))
        return index, fraction, count, length

    def composite_rule(self, values: Array, interval: Array) -> "CompositeRule":
        """Choose a quadrature of values (N, m), in rows, for each interval of some (R,).

        Each takes the even number of nodes nearest to it for which the next two terms are smallest
        in the 2-norm over the m components: those are its error. Where nodes crowd on one side,
        weights alternate in sign and multiply the errors of the values: a sum of absolute weights
        above MUCH_WEIGHT lengths of the interval counts against such a number.
        """
        parts = [
            self._rule(values, interval[start : start + AT_ONCE])
            for start in range(0, len(interval) or 1, AT_ONCE)
        ]
        return CompositeRule(*map(np.concatenate, zip(*parts, strict=True)))

    def _rule(self, values: Array, interval: Array) -> tuple[Array, Array, Array, Array]:
        """Return the fields of a `CompositeRule` for a few intervals."""
        index, fraction, count, length = self.near(interval)
        read = np.zeros(len(self.time), dtype=bool)
        read[index] = True
        place = (np.cumsum(read) - 1)[np.minimum.accumulate(index, axis=1)]
        differences, spans = scaled_differences(
            self.group[read], self.time[read], values[self.row[read]], MOST_NODES
        )
        integrals = basis_integrals(fraction, np.ones(len(interval)))
        sizes = np.sqrt(np.einsum("jnm,jnm->jn", differences, differences)).astype(float)
        scale = np.abs(integrals) * length[:, None] ** (_COLUMN + 1)
        weights = partial_weights(fraction[:, : _ENDS[-1]], integrals)
        heavy = np.stack([np.abs(weights[end - 1]).sum(axis=0) for end in _ENDS], axis=1)
        used, error = _smallest(scale * (sizes / spans)[_COLUMN, place], heavy, count)
        chosen = np.zeros((MOST_NODES, len(interval)))
        for end in np.unique(used):
            chosen[:end, used == end] = weights[end - 1][:, used == end]
        return used, error, self.row[index], chosen.T * length[:, None]


@dataclass(frozen=True)
class CompositeRule:
    """A quadrature over R intervals: each one's number of nodes, and its error, (R,) each.

    The nodes of an interval are those in `rows` (R, J), with `weights` (R, J).
    """

    used: Array
    error: Array
    rows: Array
    weights: Array


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
