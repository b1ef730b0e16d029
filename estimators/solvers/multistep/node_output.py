"""The dense output of a multistep solve."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradpareto.estimators.solvers.multistep.divided_differences import (
    basis_integrals,
    scaled_differences,
)
from gradpareto.estimators.solvers.multistep.nodes import Nodes
from gradpareto.systems import Array


@dataclass(frozen=True)
class NodeOutput:
    """The dense output of a multistep solve: y at a node, plus the integral of y' from there on.

    It integrates the polynomial of `composite_rule` for y', through nodes on both sides of the
    interval, where the step had none but those behind it. `y` and `slope` are (N, m), in rows.
    `stops` are the ends of the smooth segments in the solve's order; group k * (len(stops) - 1) + n
    is that of lane k and segment n. `direction` is 1 or -1.
    """

    nodes: Nodes
    y: Array
    slope: Array
    stops: Array
    direction: float

    @cached_property
    def _series(self) -> tuple[Array, Array, Array, Array]:
        """The Newton series of y' in every interval: nodes, scales and differences (N, J).

        The last are their rows in the differences of all nodes, which also are returned.
        """
        nodes, interval = self.nodes, self.nodes.intervals
        used = nodes.composite_rule(self.slope, interval).used
        index, fraction, _, length = nodes.near(interval)
        terms = int(used.max(initial=1))
        slope = self.slope[nodes.row]
        differences, spans = scaled_differences(nodes.group, nodes.time, slope, terms)
        column = np.arange(terms)
        place = column * len(slope) + np.minimum.accumulate(index[:, :terms], axis=1)
        scale = self.direction * length[:, None] ** (column + 1) / spans.ravel()[place]
        every = np.zeros((2, len(slope), terms)), np.zeros((len(slope), terms), dtype=int)
        every[0][:, interval] = fraction[:, :terms], np.where(column < used[:, None], scale, 0)
        every[1][interval] = place
        return *every[0], every[1], differences.reshape(-1, slope.shape[1])

    def __call__(self, lane: Array, t: Array) -> Array:
        """Evaluate y(t) (..., R, m) in rows that belong to `lane` (R,) at times t (..., R)."""
        time, segments = self.direction * t.ravel(), len(self.stops) - 1
        segment = np.searchsorted(self.direction * self.stops[1:-1], time, side="right")
        group = np.broadcast_to(lane, t.shape).ravel() * segments + segment
        interval = self.nodes.interval_of(group, time)
        origin, end = self.nodes.time[interval], self.nodes.time[interval + 1]
        fraction, scale, place, differences = self._series
        integrals = basis_integrals(fraction[interval], (time - origin) / (end - origin))
        weights = (integrals * scale[interval]).astype(self.y.dtype)
        change = np.einsum("rj,rjm->rm", weights, differences[place[interval]])
        change += self.y[self.nodes.row[interval]]
        return np.asarray(change.reshape(*t.shape, -1))
