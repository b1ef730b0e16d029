"""Windows over which Picard's iteration converges, of a length that each lane adapts."""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.solvers.explicit.step_control import (
    SMALL,
    Adaptive,
    StateProbe,
    first_step,
    given_up,
    root_mean_square,
)
from gradpareto.estimators.solvers.implicit.picard import (
    Iterated,
    Polynomial,
    allowance,
    iterate,
    judge,
)
from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau, gauss
from gradpareto.estimators.solvers.mesh import inside
from gradpareto.systems import Array, Factors, Problem

AIM = 0.3
"""A window aims at this share of the tolerance."""
SHRINK_MOST, SHRINK_LEAST, GROW_MOST = 0.2, 0.8, 10.0
FIRST = 0.02
"""A first window has at least this share of its segment: a rejected one costs less than many short
ones that grow from a guess made at rest."""
SMALLEST = 1e-10
"""Scaled errors below this one are taken for it."""


@dataclass(frozen=True)
class Window:
    """A lane's window: its start t, length h, segment's ends, and states (s, d) at its nodes."""

    t: float
    h: float
    ends: tuple[float, float]
    states: Array


class WindowStepper:
    """All lanes on their way forward, x (B, d) being their states.

    `kept` has the windows of each lane, `failed` maps a lane that was given up to the reason, and
    `loss` (B,) is the running cost's integral.
    """

    def __init__(
        self,
        problem: Problem,
        x0: Array,
        control: Adaptive,
        ladder: tuple[int, ...],
        most: int,
    ) -> None:
        self.problem, self.control, self.ladder, self.most = problem, control, ladder, most
        self.x, self.loss = x0.copy(), np.zeros(len(x0), x0.dtype)
        self.t, self.h = np.zeros((2, len(x0)))
        shape = len(x0), ladder[0], x0.shape[1]
        self.past = Polynomial(np.zeros(shape, x0.dtype), np.ones(len(x0)))
        self.attempts = np.zeros(len(x0), int)
        self.kept: list[list[Window]] = [[] for _ in x0]
        self.failed: dict[int, str] = {}

    def cross(self, left: float, right: float) -> None:
        """Bring every lane from time `left` to time `right`; those that fail become NaN."""
        self.ends = left, right
        active = self._going(np.arange(len(self.t)))
        self.t[active] = left
        if len(active):
            self._start(active)
        while len(active):
            active = self._settle(active, self._attempt(active))
        self.x[list(self.failed)] = np.nan

    def _going(self, lanes: Array) -> Array:
        return np.array([k for k in lanes.tolist() if k not in self.failed], dtype=int)

    def _start(self, lane: Array) -> None:
        """Guess the first windows: as long as the slope stays of one size."""
        x, t, span = self.x[lane], self.t[lane], self.ends[1] - self.ends[0]
        slope, _ = self._flow(lane, t, x)

        def after(h: Array) -> Array:
            return self._flow(lane, t + h, x + h[:, None].astype(x.dtype) * slope)[0]

        def length(speed: Array, bend: Array, trial: Array) -> Array:
            return speed / np.maximum(bend, SMALL)

        scale = allowance(self.control, x, x)
        guess = first_step(span, StateProbe(x, slope, after, scale, root_mean_square), length)
        self.h[lane] = np.maximum(guess, FIRST * span)
        constant = np.repeat(slope[:, None], self.ladder[0], axis=1)
        self.past.put(lane, Polynomial(constant, self.h[lane]))

    def _flow(self, lane: Array, t: Array, x: Array) -> tuple[Array, Array]:
        return self.problem.flow(lane, inside(t, *self.ends), x)

    def _attempt(self, lane: Array) -> Iterated:
        t, x = self.t[lane], self.x[lane]
        # What remains is shared by equal windows, so that none is a sliver.
        remaining = self.ends[1] - t
        h = remaining / np.ceil(remaining / self.h[lane] * (1 - 1e-9))

        def flow(rows: Array, rule: CollocationTableau, x: Array) -> tuple[Array, Factors]:
            times = t[rows, None] + h[rows, None] * rule.c
            each = np.repeat(lane[rows], len(rule.c))
            slope, cost = self._flow(each, times.ravel(), x.reshape(len(each), -1))
            return slope.reshape(x.shape), (cost.reshape(x.shape[:2]),)

        past = self.past.take(lane)
        return iterate(flow, x, h, past, self.ladder, self.most, self.control, growth=1.0)

    def _settle(self, lane: Array, tried: Iterated) -> Array:
        """Advance the lanes whose window is accepted; return those that have not arrived yet."""
        end = tried.end
        missed = root_mean_square(tried.last_term / allowance(self.control, tried.y, end))
        accepted = judge(np.maximum(tried.error, missed))
        landing = self.ends[1] - self.t[lane] <= tried.h
        self.attempts[lane] += 1
        self._advance(lane, tried, np.flatnonzero(accepted), end)
        sweeps, nodes = tried.sweeps, self.ladder[-1]
        by_sweeps = _share(tried.error) ** (1 / sweeps) * self.most / sweeps
        factor = np.minimum(by_sweeps, _share(missed) ** (1 / nodes))
        most = np.where(accepted, GROW_MOST, SHRINK_LEAST)
        self.h[lane] = tried.h * np.clip(factor, SHRINK_MOST, most)
        arrived = accepted & landing
        self.t[lane[arrived]] = self.ends[1]
        going = lane[~arrived]
        self.failed |= given_up(going, self.t, self.h, self.attempts, self.ends)
        return self._going(going)

    def _advance(self, lane: Array, tried: Iterated, where: Array, end: Array) -> None:
        """Accept the windows at some positions of those tried."""
        won, h = lane[where], tried.h[where]
        weights = gauss(self.ladder[-1]).b.astype(end.dtype)
        for k, i in zip(won.tolist(), where.tolist(), strict=True):
            t, length = float(self.t[k]), float(tried.h[i])
            self.kept[k].append(Window(t, length, self.ends, tried.values[i]))
        self.loss[won] += h.astype(end.dtype) * (tried.parts[0][where] @ weights)
        self.x[won] = end[where]
        self.t[won] += h
        self.past.put(won, tried.coarsened(self.ladder[0]).take(where))


def _share(errors: Array) -> Array:
    """Return by how much scaled errors (R,) may grow; those that are not finite shrink to none."""
    return np.asarray(AIM / np.maximum(np.nan_to_num(errors, nan=np.inf), SMALLEST))
