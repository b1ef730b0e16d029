"""Breakpoints that are one, though their numbers differ by roundings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradpareto.systems.system import Array

MERGED = 4
"""Breakpoints this many roundings of T apart, or fewer, are one."""


@dataclass(frozen=True)
class Cluster:
    """Breakpoints that are merged: the `time` onto which solvers step, the first and the last."""

    time: float
    first: float
    last: float


def clusters(breakpoints: Iterable[float], horizon: float) -> tuple[Cluster, ...]:
    """Merge the breakpoints in (0, horizon) with their neighbours; 0 and the horizon come along.

    A time that is not a number, or outside [0, horizon], is left out.
    """
    near = MERGED * np.spacing(horizon)
    times = sorted({0.0, horizon, *(float(t) for t in breakpoints if 0 <= t <= horizon)})
    groups: list[list[float]] = [[times[0]]]
    for before, time in pairwise(times):
        if time - before <= near:
            groups[-1].append(time)
        else:
            groups.append([time])
    named = [horizon if group[-1] == horizon else group[0] for group in groups]
    return tuple(
        Cluster(time, group[0], group[-1]) for time, group in zip(named, groups, strict=True)
    )


def beside(merged: Sequence[Cluster], t: Array) -> Array:
    """Move times t (R,) that lie between breakpoints that were merged to the side they belong to.

    A solver comes as close to a cluster's `time` as rounding allows, and the flow may change at any
    breakpoint of the cluster.
    """
    for cluster in merged:
        if cluster.first < cluster.last:
            between = (cluster.first <= t) & (t <= cluster.last)
            t = np.where(between & (t < cluster.time), np.nextafter(cluster.first, -1), t)
            t = np.where(between & (t > cluster.time), np.nextafter(cluster.last, np.inf), t)
    return t
