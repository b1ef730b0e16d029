"""Fixed meshes: steps of equal length that reach every breakpoint, and T, exactly."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from systems import Array

ALMOST_ONE = 1 - 1e-9
"""T/h that rounding lifts just above an integer does not buy another step."""


def step_count(length: float, step: float) -> int:
    """The fewest equal steps, none longer than `step`, that span `length`.

    Raises ValueError if the step is not a positive number.
    """
    if not step > 0 or math.isinf(step):
        raise ValueError(f"a step must be positive and finite, not {step}")
    return max(1, math.ceil(length / step * ALMOST_ONE))


def fixed_mesh(segments: Sequence[float], step: float) -> tuple[Array, Array, Array]:
    """Steps over all segments: their start (N,), length (N,), and segment's index (N,)."""
    starts, lengths, owners = [], [], []
    for index, (left, right) in enumerate(pairwise(segments)):
        count = step_count(right - left, step)
        edges = np.linspace(left, right, count + 1)
        starts.append(edges[:-1])
        lengths.append(np.full(count, (right - left) / count))
        owners.append(np.full(count, index))
    return np.concatenate(starts), np.concatenate(lengths), np.concatenate(owners)


def each_step(
    segments: Sequence[float], step: float
) -> Iterator[tuple[float, float, float, float]]:
    """The same steps one by one, nothing held: start, length, and the ends of the segment."""
    for left, right in pairwise(segments):
        count = step_count(right - left, step)
        for k in range(count):
            yield left + (right - left) * k / count, (right - left) / count, left, right


def inside(t: Array, left: float | Array, right: float | Array) -> Array:
    """Times t, clipped to the open segment: at a breakpoint, each segment has its own limit."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    return np.minimum(np.maximum(t, np.nextafter(low, high)), np.nextafter(high, low))
