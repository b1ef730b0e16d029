"""Meshes of fixed and of accepted steps, which reach every breakpoint and T exactly."""

import math
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from gradpareto.systems import Array

ALMOST_ONE = 1 - 1e-9
"""A quotient T/h that rounding lifts just above an integer does not cost another step."""


def step_count(length: float, step: float) -> int:
    """Return the fewest equal steps, none longer than `step`, that span `length`.

    Raises ValueError if the step is not a positive, finite number.
    """
    if not step > 0 or math.isinf(step):
        raise ValueError(f"a step must be positive and finite, not {step}")
    return max(1, math.ceil(length / step * ALMOST_ONE))


class FixedMesh:
    """Equal steps in each segment, none longer than `step`; nothing is stored for a step.

    `steps` is their number over all segments.
    """

    def __init__(self, segments: Sequence[float], step: float) -> None:
        self.left, spans = np.array(segments[:-1]), np.diff(segments)
        counts = np.array([step_count(span, step) for span in spans.tolist()])
        self.lengths, self.after = spans / counts, np.cumsum(counts)
        self.before, self.steps = self.after - counts, int(counts.sum())

    def step(self, n: Array) -> tuple[Array, Array, Array]:
        """Return the start, length, and segment's index of steps n, each of n's shape."""
        owner = np.searchsorted(self.after, n, side="right")
        length = self.lengths[owner]
        return self.left[owner] + (n - self.before[owner]) * length, length, owner

    def accept(self, lane: Array, t: Array) -> None:
        """Do nothing, because a formula gives every step."""

    def __call__(self, lane: Array, n: Array) -> tuple[Array, Array]:
        """Return start (R,) and length (R,) of step n (R,) of each of some lanes (R,)."""
        return self.step(n)[:2]


class AcceptedMesh:
    """The steps that each lane accepted, of which it stores where each begins.

    A step's length is the distance to the beginning of the next one, or to `end`.
    """

    def __init__(self, lanes: int, end: float) -> None:
        self._starts, self.end = [array("d") for _ in range(lanes)], end

    def accept(self, lane: Array, t: Array) -> None:
        """Add the next step of each of some lanes (R,), which begins at t (R,)."""
        for k, start in zip(lane.tolist(), t.tolist(), strict=True):
            self._starts[k].append(start)

    def __call__(self, lane: Array, n: Array) -> tuple[Array, Array]:
        """Return start (R,) and length (R,) of step n (R,) of each of some lanes (R,)."""
        edges = np.array(
            [
                [starts[i], starts[i + 1] if i + 1 < len(starts) else self.end]
                for starts, i in zip((self._starts[k] for k in lane), n.tolist(), strict=True)
            ]
        )
        return edges[:, 0], edges[:, 1] - edges[:, 0]


def fixed_mesh(segments: Sequence[float], step: float) -> tuple[Array, Array, Array]:
    """Return all steps: their start (N,), length (N,), and segment's index (N,)."""
    mesh = FixedMesh(segments, step)
    return mesh.step(np.arange(mesh.steps))


def each_step(
    segments: Sequence[float], step: float
) -> Iterator[tuple[float, float, float, float]]:
    """Yield the steps of `fixed_mesh` one by one: start, length, and the ends of the segment."""
    for left, right in pairwise(segments):
        count = step_count(right - left, step)
        for k in range(count):
            yield left + (right - left) * k / count, (right - left) / count, left, right


def inside(t: Array, left: float | Array, right: float | Array) -> Array:
    """Clip times t to the open segment, because a breakpoint has a limit on each of its sides."""
    if isinstance(left, float) and isinstance(right, float):
        near, far = math.nextafter(left, right), math.nextafter(right, left)
        return np.minimum(np.maximum(t, min(near, far)), max(near, far))
    first, last = np.nextafter(left, right), np.nextafter(right, left)
    return np.minimum(np.maximum(t, np.minimum(first, last)), np.maximum(first, last))
