"""Initial value problems by DOP853, every lane on steps of its own.

y' = f(lane, t, y) over one smooth segment, by the method of order 8 of Dormand and Prince with
error estimates of orders 5 and 3 and a dense output of order 7: Hairer, Norsett and Wanner, Solving
Ordinary Differential Equations I (1993), II.5 and II.10. The coefficients are SciPy's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy

from gradpareto.reference.gradient import NotSolved
from gradpareto.reference.quadrature import combined
from gradpareto.systems import Array

ATOL = 1e-4
"""The absolute tolerance, in units of the relative one times the size of what is integrated: a
component near zero may rest there."""
SHORTEST = 16
"""A step of at most this number of roundings of t is accepted if its error is finite, since
across a jump of the slope it is as good as exact."""
MOST_SHORT_STEPS = 8
"""The number of steps that short which a lane may take in a row; a lane that needs more is given
up."""
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 10.0
_SLIVER = 1.01
"""A step is stretched by this much at most to reach the end."""


@dataclass(frozen=True)
class StepControl:
    """The control of an adaptive solve's steps.

    `rtol` bounds a step's error relative to y. `longest` and `first`, the longest step and the
    first one, are in units of the interval. A lane that has not arrived after `attempts` steps,
    accepted or not, is given up.
    """

    rtol: float
    longest: float = 1.0
    attempts: int = 20_000
    first: float = 1 / 64


# Below 100 eps, rounding would reject steps. The longest step bounds the error of the dense output.
# The stiff system takes a third of the attempts.
TIGHT = StepControl(rtol=2.3e-14, longest=1 / 64, attempts=20_000)
"""The control of solves that are as tight as rounding allows."""

Slope = Callable[[Array, Array, Array], Array]
"""A function from lanes (R,), times (R,) and y (R, n) to the derivatives y' (R, n)."""


@dataclass(frozen=True)
class DenseOutput:
    """A dense output of order 7. Its S steps are sorted by lane, then by time."""

    starts: Array
    lengths: Array
    values: Array
    """y (S, n) where the solver began each step, which is its later end if it went backward."""
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
        """Return the ends of a lane's steps (N + 1,), ascending."""
        own = slice(self.first[lane], self.first[lane + 1])
        return np.union1d(self.starts[own], self.interval)

    def __call__(self, lane: Array, t: Array) -> Array:
        """Return y (R, n) of lanes (R,) at times (R,) inside the interval."""
        found = np.searchsorted(self._keys, self._key(lane, t), side="right") - 1
        step = np.maximum(found, self.first[lane])
        x = ((t - self.starts[step]) / self.lengths[step])[:, None]
        coefficients, factors = self.coefficients[step], (x, 1 - x)
        y = np.zeros((len(t), self.values.shape[1]))
        for number in reversed(range(coefficients.shape[1])):
            y += coefficients[:, number]
            y *= factors[number % 2]
        return y + self.values[step]

    def _key(self, lane: Array, t: Array) -> Array:
        """Put the lanes one behind the other on one axis, so that one search finds all steps."""
        start, end = self.interval
        return lane * 2 * (end - start) + (t - start)


@dataclass(frozen=True)
class _Steps:
    """Accepted steps of R lanes: from y at t by h to `new`, with the slopes k of their stages.

    k is (16, R, n): 12 stages, the slope at the end, and room for 3 more.
    """

    lanes: Array
    t: Array
    h: Array
    y: Array
    new: Array
    k: Array


class _Solve:
    """The adaptive solve of B lanes over one smooth segment, one attempted step of each at a time.

    `t` (B,) and `y` (B, n) say where each lane is, `going` which lanes are on their way, and `lost`
    why a lane was given up.
    """

    def __init__(
        self, slope: Slope, start: float, end: float, y: Array, control: StepControl, going: Array
    ) -> None:
        self.slope, self.end, self.control = _inside(slope, start, end), end, control
        span = end - start
        self.longest = control.longest * abs(span)
        self.t, self.h = np.full(len(y), start), np.full(len(y), control.first * span)
        self.y, self.f, self.going = y.copy(), np.zeros_like(y), going
        self.f[going] = self.slope(going, self.t[going], y[going])
        size = np.maximum(np.abs(y).max(axis=1), abs(span) * np.abs(self.f).max(axis=1))
        # What starts and stays at zero has no size; any tolerance will do.
        self.atol = control.rtol * ATOL * np.where(size > 0, size, 1)[:, None]
        self.grow, self.short = np.full(len(y), _GROW), np.zeros(len(y), dtype=int)
        self.attempts = 0
        self.lost: dict[int, str] = {}

    def attempt(self) -> _Steps:
        """Attempt a step of every lane that is going, and return the steps that were accepted."""
        going, step = self.going, self._next_steps()
        now, shortest = self.t[going], self._shortest(step)
        with np.errstate(over="ignore", invalid="ignore"):
            k, new = _stages(self.slope, going, now, step, self.y[going], self.f[going])
            largest = np.maximum(np.abs(self.y[going]), np.abs(new))
            error = _error(k, step, self.atol[going] + self.control.rtol * largest)
        accepted = (error < 1) | (shortest & np.isfinite(error))
        self._adapt(step, error, accepted, shortest)
        done, step, now, new = going[accepted], step[accepted], now[accepted], new[accepted]
        steps = _Steps(done, now, step, self.y[done], new, k[:, accepted])
        if len(done):
            steps.k[12] = self.slope(done, now + step, new)
            last = step == self.end - now
            self.t[done] = np.where(last, self.end, now + step)
            self.y[done], self.f[done] = new, steps.k[12]
        self.going = going[self.t[going] != self.end]
        self.attempts += 1
        self._give_up()
        return steps

    def _next_steps(self) -> Array:
        """Return the step of each lane that is going: all that is left, if it nearly gets there."""
        left, h = self.end - self.t[self.going], self.h[self.going]
        return np.asarray(np.where(_SLIVER * np.abs(h) >= np.abs(left), left, h))

    def _shortest(self, step: Array) -> Array:
        """Say whether each step is down to the rounding of t, though it is not the last."""
        now = self.t[self.going]
        tiny = np.abs(step) <= SHORTEST * np.spacing(np.abs(now))
        return np.asarray(tiny & (step != self.end - now))

    def _adapt(self, step: Array, error: Array, accepted: Array, shortest: Array) -> None:
        """Choose the next step of every lane that is going."""
        going = self.going
        counted = np.where(accepted, 0, self.short[going])
        self.short[going] = np.where(shortest, self.short[going] + 1, counted)
        with np.errstate(divide="ignore"):
            wanted = _SAFETY * error ** (-1 / 8)
        factor = np.minimum(np.maximum(wanted, _SHRINK), self.grow[going])
        factor[shortest] = _GROW
        self.h[going] = np.minimum(np.maximum(step * factor, -self.longest), self.longest)
        # After a rejection, steps do not grow at once.
        self.grow[going] = np.where(accepted, _GROW, 1.0)

    def _give_up(self) -> None:
        """Give up the lanes whose steps stay down at rounding, or that are out of attempts."""
        step = self._next_steps()
        stuck = self._shortest(step) & (self.short[self.going] == MOST_SHORT_STEPS)
        for lane, h in zip(self.going[stuck], step[stuck], strict=True):
            self.lost[int(lane)] = f"DOP853 falls to steps of {h:.0e} at t = {self.t[lane]:g}"
        self.going = self.going[~stuck]
        if self.attempts == self.control.attempts:
            for lane, h in zip(self.going, self._next_steps(), strict=True):
                reached = f"t = {self.t[lane]:g} after {self.attempts} attempts"
                self.lost[int(lane)] = f"DOP853 is at {reached}, with steps of {abs(h):.0e}"
            self.going = self.going[:0]


def solve_dense(
    slope: Slope, start: float, end: float, y: Array, control: StepControl = TIGHT
) -> tuple[Array, DenseOutput]:
    """Solve from y (B, n) at `start` to `end`, with dense output, over one smooth segment.

    `start` may be the later of the two times. Raises NotSolved if steps fall to rounding, and not
    only to step across a jump, or never arrive.
    """
    solve = _Solve(slope, start, end, y, control, np.arange(len(y)))
    taken: list[tuple[Array, ...]] = []
    while len(solve.going):
        steps = solve.attempt()
        if solve.lost:
            raise NotSolved(next(iter(solve.lost.values())), list(solve.lost))
        if len(steps.lanes):
            taken.append(
                (steps.lanes, steps.t, steps.h, steps.y, _coefficients(solve.slope, steps))
            )
    joined = [np.concatenate(parts) for parts in zip(*taken, strict=True)]
    order = np.lexsort((joined[1], joined[0]))
    lane_of, starts, lengths, values, coefficients = (part[order] for part in joined)
    first = np.searchsorted(lane_of, np.arange(len(y) + 1))
    interval = min(start, end), max(start, end)
    return solve.y, DenseOutput(starts, lengths, values, coefficients, first, interval)


def solve_to(slope: Slope, start: float, end: float, y: Array, control: StepControl) -> Array:
    """Solve from y (B, n) at `start` to `end` over one smooth segment.

    A lane that starts at a number that is not finite, or cannot be solved, ends as NaN.
    """
    whole = np.isfinite(y).all(axis=1)
    solve = _Solve(slope, start, end, y, control, np.flatnonzero(whole))
    while len(solve.going):
        solve.attempt()
    found = solve.y
    found[~whole] = np.nan
    found[list(solve.lost)] = np.nan
    return found


def solve_along(slope: Slope, mesh: Array, y: Array) -> Array:
    """Solve from y (B, n) along `mesh` (B, N + 1), the ends of each lane's own steps.

    This is the method without its control; y may be complex.
    """
    lanes, slope = np.arange(len(y)), _inside(slope, mesh[0, 0], mesh[0, -1])
    for start, h in zip(mesh.T, np.diff(mesh).T, strict=False):
        y = _stages(slope, lanes, start, h, y, slope(lanes, start, y))[1]
    return y


def _stages(
    slope: Slope, lane: Array, t: Array, h: Array, y: Array, f: Array
) -> tuple[Array, Array]:
    """Return the slopes of 12 stages, with room for 4 more (16, R, n), and the new y.

    The first slope is f.
    """
    method, column = scipy.integrate.DOP853, h[:, None]
    a, c = method.A, method.C
    k = np.empty((16, *y.shape), dtype=y.dtype)
    k[0] = f
    for i in range(1, 12):
        k[i] = slope(lane, t + c[i] * h, y + column * combined(a[i, :i], k[:i]))
    return k, y + column * combined(method.B, k[:12])


def _error(k: Array, h: Array, scale: Array) -> Array:
    """Return the norm of each step's estimated error over its tolerance (R,).

    It is infinite where it overflows.
    """
    fifth, third = (
        ((combined(weights[:12], k[:12]) / scale) ** 2).sum(axis=1)
        for weights in (scipy.integrate.DOP853.E5, scipy.integrate.DOP853.E3)
    )
    both = (fifth + 0.01 * third) * scale.shape[1]
    error = np.abs(h) * fifth / np.sqrt(np.where(both > 0, both, 1))
    return np.asarray(np.where(np.isfinite(error), error, np.inf))


def _coefficients(slope: Slope, steps: _Steps) -> Array:
    """Compute the dense output of accepted steps (R, 7, n), by three more stages."""
    k, h = steps.k, steps.h[:, None]
    for i, (c, row) in enumerate(
        zip(scipy.integrate.DOP853.C_EXTRA, scipy.integrate.DOP853.A_EXTRA, strict=True), 13
    ):
        inner = steps.y + h * combined(row[:i], k[:i])
        k[i] = slope(steps.lanes, steps.t + c * steps.h, inner)
    change = steps.new - steps.y
    low = change, h * k[0] - change, 2 * change - h * (k[12] + k[0])
    return np.stack([*low, *(h * combined(scipy.integrate.DOP853.D, k))], axis=1)


def _inside(slope: Slope, start: float, end: float) -> Slope:
    """Return the slope, but taken at a breakpoint from inside the segment, one rounding away."""
    low, high = sorted((float(np.nextafter(start, end)), float(np.nextafter(end, start))))
    return lambda lane, t, y: slope(lane, np.minimum(np.maximum(t, low), high), y)
