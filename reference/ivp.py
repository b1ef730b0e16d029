"""Initial value problems by DOP853, every lane on steps of its own, as tight as rounding allows."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.integrate import DOP853

from gradpareto.reference.solution import NotSolved
from gradpareto.systems import Array

RTOL = 2.3e-14
"""About 100 eps: below, rounding would reject steps."""
ATOL = 1e-4
"""In units of RTOL times the size of what is integrated: a component near zero may rest there."""
MAX_STEP = 1 / 64
"""In units of the interval: bounds the error of the dense output where steps could be long."""
SHORTEST, MOST_SHORTEST = 16, 8
"""In units of t's rounding: a step so short, across a jump of the slope, is as good as exact. And
how many of them follow each other before there is no end to them in sight."""
MOST_ATTEMPTS = 60_000
"""Steps tried in a segment; the stiff system takes a tenth of that."""
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 10.0
_SLIVER = 1.01
"""A step is stretched by this much at most to reach the end."""

Slope = Callable[[Array, Array, Array], Array]
"""y' (R, n) of rows of lanes (R,), at times (R,), y (R, n)."""


@dataclass(frozen=True)
class DenseOutput:
    """A continuous extension of order 7. Its S steps are sorted by lane, then by time."""

    starts: Array
    lengths: Array
    values: Array
    """y (S, n) where the solver began each step: at its end in time, if it went backward."""
    coefficients: Array
    """(S, 7, n)"""
    first: Array
    """The first step of each lane, and S: (B + 1,)."""
    interval: tuple[float, float]
    """The earlier time and the later one."""
    _keys: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lane = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        early = np.minimum(self.starts, self.starts + self.lengths)
        object.__setattr__(self, "_keys", self._key(lane, early))

    def mesh(self, lane: int) -> Array:
        """The ends of a lane's steps (N + 1,), ascending."""
        own = slice(self.first[lane], self.first[lane + 1])
        return np.union1d(self.starts[own], self.interval)

    def __call__(self, lane: Array, t: Array) -> Array:
        """y (R, n) of lanes (R,) at times (R,) inside the interval."""
        found = np.searchsorted(self._keys, self._key(lane, t), side="right") - 1
        step = np.maximum(found, self.first[lane])
        x = ((t - self.starts[step]) / self.lengths[step])[:, None]
        y = np.zeros((len(t), self.values.shape[1]))
        for number in reversed(range(self.coefficients.shape[1])):
            y += self.coefficients[step, number]
            y *= 1 - x if number % 2 else x
        return y + self.values[step]

    def _key(self, lane: Array, t: Array) -> Array:
        """Lanes one behind the other on one axis, so that one search finds the steps of any."""
        start, end = self.interval
        return lane * 2 * (end - start) + (t - start)


def solve_tight(slope: Slope, start: float, end: float, y: Array) -> tuple[Array, DenseOutput]:
    """y (B, n) at `end` and in between, from y at `start`, over one smooth segment.

    `start` may be the later of the two times. The method, its dense output and its step control are
    those of Hairer, Norsett and Wanner (1993), II.5 and II.10, with SciPy's coefficients. Raises
    NotSolved if steps fall to rounding, and not only to step across a jump, or never arrive.
    """
    lanes, span = np.arange(len(y)), end - start
    slope = _inside(slope, start, end)
    t, h = np.full(len(y), start), np.full(len(y), MAX_STEP * span)
    f = slope(lanes, t, y)
    size = np.maximum(np.abs(y).max(axis=1), abs(span) * np.abs(f).max(axis=1))
    # What starts and stays at zero has no size; any tolerance will do.
    atol = RTOL * ATOL * np.where(size > 0, size, 1)[:, None]
    y, grow, going = y.copy(), np.full(len(y), _GROW), lanes
    short = np.zeros(len(y), dtype=int)
    taken: list[tuple[Array, ...]] = []
    for _ in range(MOST_ATTEMPTS):
        if not len(going):
            break
        now, left = t[going], end - t[going]
        step = np.where(_SLIVER * np.abs(h[going]) >= np.abs(left), left, h[going])
        shortest = (np.abs(step) <= SHORTEST * np.spacing(np.abs(now))) & (step != left)
        stuck = shortest & (short[going] == MOST_SHORTEST)
        if stuck.any():
            raise NotSolved(
                f"DOP853 falls to steps of {step[stuck][0]:.0e} at t = {now[stuck][0]:g}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            k, new = _stages(slope, going, now, step, y[going], f[going])
            scale = atol[going] + RTOL * np.maximum(np.abs(y[going]), np.abs(new))
            error = _error(k, step, scale)
        accepted = (error < 1) | (shortest & np.isfinite(error))
        short[going] = np.where(shortest, short[going] + 1, np.where(accepted, 0, short[going]))
        with np.errstate(divide="ignore"):
            factor = np.clip(_SAFETY * error ** (-1 / 8), _SHRINK, grow[going])
        factor[shortest] = _GROW
        h[going] = np.clip(step * factor, -MAX_STEP * abs(span), MAX_STEP * abs(span))
        # After a rejection, steps do not grow at once.
        grow[going] = np.where(accepted, _GROW, 1.0)
        done = going[accepted]
        if len(done):
            k, step, now, new = k[:, accepted], step[accepted], now[accepted], new[accepted]
            dense = _coefficients(slope, done, now, step, y[done], new, k)
            taken.append((done, now, step, y[done], dense))
            t[done] = np.where(step == left[accepted], end, now + step)
            y[done], f[done] = new, k[12]
        going = going[t[going] != end]
    else:
        raise NotSolved(f"DOP853 is at t = {t[going[0]]:g} after {MOST_ATTEMPTS} attempts")
    steps = [np.concatenate(parts) for parts in zip(*taken, strict=True)]
    order = np.lexsort((steps[1], steps[0]))
    lane_of, starts, lengths, values, coefficients = (part[order] for part in steps)
    first = np.searchsorted(lane_of, np.arange(len(y) + 1))
    interval = min(start, end), max(start, end)
    return y, DenseOutput(starts, lengths, values, coefficients, first, interval)


def solve_along(slope: Slope, mesh: Array, y: Array) -> Array:
    """y (B, n) at the end of `mesh` (B, N + 1), the ends of each lane's own steps, real or complex.

    The same method without its control.
    """
    lanes, slope = np.arange(len(y)), _inside(slope, mesh[0, 0], mesh[0, -1])
    for start, h in zip(mesh.T, np.diff(mesh).T, strict=False):
        y = _stages(slope, lanes, start, h, y, slope(lanes, start, y))[1]
    return y


def _stages(
    slope: Slope, lane: Array, t: Array, h: Array, y: Array, f: Array
) -> tuple[Array, Array]:
    """Slopes of the 12 stages and room for 4 more (16, R, n), and the new y; f is the first."""
    k = np.empty((16, *y.shape), dtype=y.dtype)
    k[0] = f
    for i in range(1, 12):
        inner = y + h[:, None] * np.tensordot(DOP853.A[i, :i], k[:i], 1)
        k[i] = slope(lane, t + DOP853.C[i] * h, inner)
    return k, y + h[:, None] * np.tensordot(DOP853.B, k[:12], 1)


def _error(k: Array, h: Array, scale: Array) -> Array:
    """The norm of a step's estimated error over its tolerance (R,); infinite where it overflows."""
    fifth, third = (
        ((np.tensordot(weights[:12], k[:12], 1) / scale) ** 2).sum(axis=1)
        for weights in (DOP853.E5, DOP853.E3)
    )
    both = (fifth + 0.01 * third) * scale.shape[1]
    error = np.abs(h) * fifth / np.sqrt(np.where(both > 0, both, 1))
    return np.asarray(np.where(np.isfinite(error), error, np.inf))


def _coefficients(
    slope: Slope, lane: Array, t: Array, h: Array, y: Array, new: Array, k: Array
) -> Array:
    """Of the dense output of accepted steps (R, 7, n), after four more stages."""
    step = h[:, None]
    k[12] = slope(lane, t + h, new)
    for i, (c, row) in enumerate(zip(DOP853.C_EXTRA, DOP853.A_EXTRA, strict=True), 13):
        k[i] = slope(lane, t + c * h, y + step * np.tensordot(row[:i], k[:i], 1))
    change = new - y
    low = change, step * k[0] - change, 2 * change - step * (k[12] + k[0])
    return np.stack([*low, *(step * np.tensordot(DOP853.D, k, 1))], axis=1)


def _inside(slope: Slope, start: float, end: float) -> Slope:
    """At a breakpoint the slope is that of the segment being solved, a hair inside it."""
    low, high = sorted((float(np.nextafter(start, end)), float(np.nextafter(end, start))))
    return lambda lane, t, y: slope(lane, np.clip(t, low, high), y)
