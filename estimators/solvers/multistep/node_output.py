"""The dense output of a multistep solve."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradpareto.estimators.solvers.multistep.nodes import Nodes
from gradpareto.systems import Array


@dataclass(frozen=True)
class NodeOutput:
    """The dense output of a multistep solve: y at a node, plus the integral of y' from there on.

    It integrates the polynomial of `composite_rule` for y', through nodes on both sides of the
    interval, where the step had none but those behind it. That is one polynomial for each interval,
    which is kept in powers. `y` and `slope` are (N, m), in rows.
    `stops` are the ends of the smooth segments in the solve's order; group k * (len(stops) - 1) + n
    is that of lane k and segment n. `direction` is 1 or -1.
    """

    nodes: Nodes
    y: Array
    slope: Array
    stops: Array
    direction: float

    def __call__(self, lane: Array, t: Array) -> Array:
        """Evaluate y(t) (..., R, m) in rows that belong to `lane` (R,) at times t (..., R)."""
        interval, fraction = self._locate(lane, t)
        return _evaluate(self._every[interval], fraction)

    def at_few(self, lane: Array, t: Array) -> Array:
        """Evaluate what a call does at t (R,), and make no other interval's polynomial."""
        interval, fraction = self._locate(lane, t)
        return _evaluate(self._polynomials(interval), fraction)

    def _locate(self, lane: Array, t: Array) -> tuple[Array, Array]:
        """Return the intervals that hold times t (..., R), and the place in them, in [0, 1]."""
        time, segments = self.direction * t, len(self.stops) - 1
        segment = np.searchsorted(self.direction * self.stops[1:-1], time, side="right")
        interval = self.nodes.interval_of(lane * segments + segment, time)
        return interval, (time - self.nodes.time[interval]) / self.nodes.length[interval]

    @cached_property
    def _every(self) -> Array:
        """The polynomials of all intervals, at the nodes that they follow: (N, K, m)."""
        interval = self.nodes.intervals
        found = self._polynomials(interval)
        every = np.zeros((len(self.y), *found.shape[1:]), found.dtype)
        every[interval] = found
        return every

    def _polynomials(self, interval: Array) -> Array:
        """Return the coefficients (R, K, m) of y in intervals (R,), in powers of the place."""
        parts = [part.antiderivatives() for part in self.nodes.series(self.slope, interval)]
        terms = max(part.shape[1] for part in parts)
        found = np.zeros((len(interval), 1 + terms, self.y.shape[1]), self.y.dtype)
        found[:, 0] = self.y[self.nodes.row[interval]]
        end = 0
        for part in parts:
            start, end = end, end + len(part)
            np.multiply(self.direction, part, out=found[start:end, 1 : 1 + part.shape[1]])
        return found


def _evaluate(coefficients: Array, s: Array) -> Array:
    """Evaluate polynomials of coefficients (..., K, m), in powers of s (...): (..., m)."""
    powers = np.ones(coefficients.shape[:-1], coefficients.dtype)
    powers[..., 1:] = s[..., None]
    np.multiply.accumulate(powers, axis=-1, out=powers)
    return np.asarray((powers[..., None, :] @ coefficients)[..., 0, :])
