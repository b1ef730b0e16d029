"""A search for jumps of the right-hand side and the running cost along a trajectory.

Where x' or w jumps as the state crosses a surface, the costate jumps too (Galan, Feehery and
Barton, Applied Numerical Mathematics 31, 1999), and no method here knows by how much. A jump at a
time is harmless: it is the same time for all neighbouring trajectories.
"""

import numpy as np

from gradpareto.reference.continuous import Trajectory
from gradpareto.reference.probe import Probe
from gradpareto.systems import Array

JUMP = 1e-8
"""The least jump, relative to the largest value along the trajectory."""
NOISE = 100.0
"""A jump is larger than this multiple of what roundings change beside it."""
CANDIDATES = 6
"""The intervals between probes that are looked into, for each value and each of two reasons."""
CLOSE = 4
"""The search ends when a jump is between two times this many roundings of T apart."""


def find_jump(path: Trajectory, found: Probe) -> str:
    """Say which value jumps, where and by how much, as the state changes; "" if none is found."""
    d = path.problem.system.state_dim
    values = found.values[:, : d + 1]
    size = np.abs(values).max(axis=0)
    column, first = _candidates(found.t, values, np.array(path.problem.segments[1:-1]))
    a, b = _bisect(path, found.t[first], found.t[first + 1], column)
    before, after = _at(path, a, a), _at(path, b, b)
    pick = np.arange(len(column)), column
    jump = np.abs(after - before)[pick]
    # What moves when the state alone goes from one side to the other.
    by_state = np.maximum(np.abs(_at(path, a, b) - before), np.abs(after - _at(path, b, a)))[pick]
    noise = _noise(path, found.t[first])[pick]
    jumps = (jump > np.maximum(JUMP * size[column], NOISE * noise)) & (by_state > 0.5 * jump)
    if not jumps.any():
        return ""
    k = int(np.argmax(np.where(jumps, jump / np.where(size > 0, size, 1)[column], 0)))
    name = "the running cost" if column[k] == d else f"x'[{column[k]}]"
    return (
        f"{name} jumps by {jump[k]:.3g} at t = {a[k]:.6g} as the state changes, and the gradient's "
        "term of such a jump is known to no method here"
    )


def _candidates(t: Array, values: Array, breakpoints: Array) -> tuple[Array, Array]:
    """Return columns and numbers of intervals where values (R, m) bend most, or are steepest.

    A solver's steps are short at a jump of x', which is steep there; it does not see one of the
    running cost, which bends most. No breakpoint is in one of the intervals.
    """
    bend = np.zeros_like(values)
    # Two random times in steps that are down to rounding may be one.
    apart = np.maximum(np.diff(t), np.finfo(float).tiny)[:, None]
    near, far = apart[:-1], apart[1:]
    bend[1:-1] = np.abs(values[1:-1] - (far * values[:-2] + near * values[2:]) / (near + far))
    across = np.searchsorted(breakpoints, t[:-1]) != np.searchsorted(breakpoints, t[1:])
    few, found = min(CANDIDATES, len(t) - 1), []
    for score in (
        np.maximum(bend[:-1], bend[1:]),
        np.abs(np.diff(values, axis=0)) / apart,
    ):
        score[across] = -1
        found.append(np.argpartition(-score, few - 1, axis=0)[:few])
    return np.tile(np.arange(values.shape[1]), 2 * few), np.concatenate(found).ravel()


def _bisect(path: Trajectory, a: Array, b: Array, column: Array) -> tuple[Array, Array]:
    """Halve the intervals [a, b] (R,), keeping the half over which the value changes more."""
    pick = np.arange(len(a)), column
    at_a, at_b = _at(path, a, a)[pick], _at(path, b, b)[pick]
    close = CLOSE * np.spacing(path.problem.horizon)
    while (b - a).max() > close:
        middle = 0.5 * (a + b)
        at_middle = _at(path, middle, middle)[pick]
        left = np.abs(at_middle - at_a) > np.abs(at_b - at_middle)
        narrow = b - a <= close
        a, at_a = (
            np.where(left | narrow, old, new) for old, new in ((a, middle), (at_a, at_middle))
        )
        b, at_b = (
            np.where(left & ~narrow, new, old) for old, new in ((b, middle), (at_b, at_middle))
        )
    return a, b


def _noise(path: Trajectory, t: Array) -> Array:
    """Return how far roundings move x' and w (R, state_dim + 1) at times t (R,), beside a jump.

    On a wild trajectory, that is farther than a small jump.
    """
    problem, lane, x = path.problem, np.full(len(t), path.lane), path.x(t)
    here = np.column_stack(problem.flow(lane, t, x))
    later = t + CLOSE * np.spacing(problem.horizon)
    rounded = x * (1 + CLOSE * np.finfo(float).eps * (-1.0) ** np.arange(x.shape[1]))
    moved = _at(path, later, later), np.column_stack(problem.flow(lane, t, rounded))
    return np.asarray(np.max([np.abs(there - here) for there in moved], axis=0))


def _at(path: Trajectory, t: Array, of: Array) -> Array:
    """Return x' and w (R, state_dim + 1) at times t (R,), in the states at times `of` (R,)."""
    return np.column_stack(path.problem.flow(np.full(len(t), path.lane), t, path.x(of)))
