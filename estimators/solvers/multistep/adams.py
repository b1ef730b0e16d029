"""Adams-Bashforth-Moulton methods of variable order and step, every lane with its own of both.

    predictor  p = y + int P_k(t) dt,      P_k through f at the last k points
    corrector  y+ = y + int P_{k+1}(t) dt, P_{k+1} through these and f(t + h, p)

Both integrals are over the step. The difference of two orders is the error estimate (Shampine and
Gordon 1975; Hairer, Norsett, Wanner 1993, III.5 and III.7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from gradpareto.estimators.solvers.explicit.stages import as_column
from gradpareto.estimators.solvers.explicit.step_control import (
    SMALL,
    Adaptive,
    Probe,
    first_step,
    given_up,
)
from gradpareto.estimators.solvers.mesh import inside
from gradpareto.estimators.solvers.multistep.divided_differences import (
    MOST_NODES,
    partial_sum,
    term_weights,
)
from gradpareto.estimators.solvers.multistep.nodes import NodeOutput, Nodes
from gradpareto.estimators.solvers.right_hand_side import Path, RightHandSide
from gradpareto.systems import Array, Factors

HISTORY = MOST_NODES - 1
"""This number of past points is kept; one order higher than the one in use needs one more than it.
"""
MOST_ORDER = 12
AIM = 0.1
"""A step aims at this share of the tolerance; at more, a third of the steps is rejected."""
GROW_MOST, SHRINK_MOST, SHRINK_LEAST = 2.0, 0.2, 0.9
STUBBORN = 4
"""After this number of rejections in a row the history is of no use, and the order returns to 1."""


@dataclass(frozen=True)
class AdamsSolution:
    """The result of an Adams solve of B lanes, and the nodes (N,) at all of their step points.

    y (B, m) is that at the last time, and NaN in the lanes that `failed`, which maps a lane to the
    reason; `steps` (B,) counts the accepted steps. The nodes of all lanes are sorted as in `dense`:
    lane (N,), t (N,), the integrand there, and `gap` (N,), the relative distance of the y at which
    it was evaluated from the corrected one.
    """

    y: Array
    steps: Array
    failed: dict[int, str]
    lane: Array
    t: Array
    integrand: Factors
    gap: Array
    dense: NodeOutput


def solve(
    rhs: RightHandSide,
    y0: Array,
    times: Sequence[float],
    control: Adaptive,
    *,
    path: Path | None = None,
    corrected: bool = False,
    lost: Mapping[int, str] = MappingProxyType({}),
) -> AdamsSolution:
    """Integrate y' = rhs through `times` (monotone, either way), starting afresh at each.

    A step takes one evaluation: the slope at the predicted state serves the corrector and then the
    history (PEC). If `corrected`, a second one at the corrected state replaces it (PECE).
    Everything is in the precision of y0, except for times, which are float64. Lanes that are `lost`
    are not solved, and have failed.
    """
    stepper = AdamsStepper(rhs, y0, control, path, corrected)
    stepper.failed.update(lost)
    for left, right in pairwise(times):
        stepper.cross(left, right)
    for lane in stepper.failed:
        stepper.y[lane] = np.nan
    return stepper.solution(np.array(times))


@dataclass
class _Attempt:
    """A step that R lanes try; errors (R, J) are those of each order."""

    lane: Array
    h: Array
    t_new: Array
    landing: Array
    y_new: Array
    gap: Array
    slope: Array
    node: Factors
    errors: Array


class AdamsStepper:
    """All lanes between two attempts; `times` and `slopes` hold the last points, latest first."""

    def __init__(
        self, rhs: RightHandSide, y0: Array, control: Adaptive, path: Path | None, corrected: bool
    ) -> None:
        self.rhs, self.control, self.path, self.corrected = rhs, control, path, corrected
        lanes, width = y0.shape
        self.y = y0.copy()
        self.t, self.h = np.zeros(lanes), np.zeros(lanes)
        self.times = np.zeros((lanes, HISTORY))
        self.slopes = np.zeros((lanes, HISTORY, width), y0.dtype)
        self.order, self.known, self.rejections, self.steps, self.attempts = np.zeros(
            (5, lanes), dtype=int
        )
        self.failed: dict[int, str] = {}
        self.segment = -1
        self.kept: list[tuple[Array, ...]] = []
        self.integrands: list[Factors] = []

    def cross(self, left: float, right: float) -> None:
        """Bring every lane from time `left` to time `right`."""
        self.segment += 1
        active = np.array([k for k in range(len(self.t)) if k not in self.failed], dtype=int)
        if not len(active):
            return
        self.left, self.right = left, right
        self.t[:], self.known[:], self.order[:], self.rejections[:] = left, 0, 1, 0
        # What is not known yet stands apart from what is, and has no weight.
        self.times[:] = left - (right - left) * (1 + np.arange(HISTORY))
        slope, node = self._evaluate(active, self.t[active], self.y[active])
        self._remember(active, self.t[active], slope, node, np.zeros(len(active)))
        self.h[active] = self._first_step(active, slope)
        while len(active):
            active = self._settle(self._attempt(active))

    def _evaluate(self, lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        t = inside(t, self.left, self.right)
        return self.rhs(lane, t, y, *(() if self.path is None else (self.path(lane, t),)))

    def _remember(self, lane: Array, t: Array, slope: Array, node: Factors, gap: Array) -> None:
        """Add a new point, at which y is already that of the lanes, to the history."""
        for store, latest in ((self.times, t), (self.slopes, slope)):
            store[lane, 1:] = store[lane, :-1]
            store[lane, 0] = latest
        self.known[lane] = np.minimum(self.known[lane] + 1, HISTORY)
        group = np.full(len(lane), self.segment)
        self.kept.append((lane, group, t, self.y[lane], slope, gap))
        self.integrands.append(node)

    def _first_step(self, lane: Array, slope: Array) -> Array:
        """Guess a first step (R,) of order 1, of the error aimed at, from a probe of y''."""
        t, y = self.t[lane], self.y[lane]

        def after(h: Array) -> Array:
            return self._evaluate(lane, t + h, y + as_column(h, y) * slope)[0]

        def length(speed: Array, bend: Array, trial: Array) -> Array:
            return np.sqrt(AIM / np.maximum(bend, SMALL))

        scale, probe = self.control.scale(y, y), Probe(y, slope, after)
        return first_step(scale, self.right - self.left, probe, length, _norm)

    def _attempt(self, lane: Array) -> _Attempt:
        t, y, proposed = self.t[lane], self.y[lane], self.h[lane]
        remaining = self.right - t
        landing = np.abs(proposed) >= np.abs(remaining) * (1 - 1e-9)
        # The last two steps share what remains, so that none is a sliver.
        halved = np.where(2 * np.abs(proposed) > np.abs(remaining), 0.5 * remaining, proposed)
        h = np.where(landing, remaining, halved)
        t_new = np.where(landing, self.right, t + h)
        past, one = (self.times[lane] - t[:, None]) / h[:, None], np.ones(len(lane))
        behind = partial_sum(term_weights(past, one), self.order[lane]) * h[:, None]
        predicted = y + (behind[:, None].astype(y.dtype) @ self.slopes[lane])[:, 0]
        slope, node = self._evaluate(lane, t_new, predicted)
        around = term_weights(np.concatenate([one[:, None], past], axis=1), one)
        slopes = np.concatenate([slope[:, None], self.slopes[lane]], axis=1)
        terms = (around * h[:, None, None]).astype(y.dtype) @ slopes
        used = np.arange(MOST_NODES) <= self.order[lane][:, None]
        y_new = y + (used[:, None].astype(y.dtype) @ terms)[:, 0]
        errors = _norm(terms / self.control.scale(y, y_new)[:, None]).astype(float)
        errors = np.where(np.isfinite(errors), errors, np.inf)
        gap = y_new - predicted
        return _Attempt(lane, h, t_new, landing, y_new, gap, slope, node, errors)

    def _settle(self, tried: _Attempt) -> Array:
        """Advance the lanes whose step is accepted; return those that have not arrived yet."""
        lane, order = tried.lane, self.order[tried.lane]
        accepted = judge(tried.errors[np.arange(len(lane)), order])
        self.attempts[lane] += 1
        self.rejections[lane] = np.where(accepted, 0, self.rejections[lane] + 1)
        where = np.flatnonzero(accepted)
        if len(where):
            self._advance(tried, where)
        best, growth = _best_order(tried.errors, order, self.known[lane], accepted)
        best = np.where(self.rejections[lane] >= STUBBORN, 1, best)
        ceiling = np.where(accepted, GROW_MOST, SHRINK_LEAST)
        wanted, proposed = tried.h * np.clip(growth, SHRINK_MOST, ceiling), self.h[lane]
        # A step cut short to land says nothing against the longer one that was proposed.
        cut = accepted & (np.abs(tried.h) < np.abs(proposed)) & (np.abs(wanted) < np.abs(proposed))
        self.h[lane], self.order[lane] = np.where(cut, proposed, wanted), best
        going = lane[~(accepted & tried.landing)]
        ends = self.left, self.right
        self.failed |= given_up(going, self.t, self.h, self.attempts, ends)
        return np.array([k for k in going.tolist() if k not in self.failed], dtype=int)

    def _advance(self, tried: _Attempt, where: Array) -> None:
        """Accept the attempt in the lanes at positions `where` of it."""
        lane, t, y, gap = (
            part[where] for part in (tried.lane, tried.t_new, tried.y_new, tried.gap)
        )
        slope, node = tried.slope[where], tuple(part[where] for part in tried.node)
        missed = _norm(gap) / np.maximum(_norm(y), SMALL)
        if self.corrected:
            slope, node = self._evaluate(lane, t, y)
            missed = np.zeros(len(lane))
        self.t[lane], self.y[lane] = t, y
        self.steps[lane] += 1
        self._remember(lane, t, slope, node, missed)

    def solution(self, stops: Array) -> AdamsSolution:
        """Return everything that was kept, sorted by lane and time."""
        direction = 1.0 if stops[-1] > stops[0] else -1.0
        lane, segment, t, y, slope, gap = map(np.concatenate, zip(*self.kept, strict=True))
        group = lane * (len(stops) - 1) + segment
        order = np.lexsort((direction * t, group))
        nodes = Nodes(group[order], direction * t[order])
        used = nodes.composite_rule(slope[order]).used
        integrand = tuple(np.concatenate(p)[order] for p in zip(*self.integrands, strict=True))
        dense = NodeOutput(nodes, y[order], slope[order], used, stops, direction)
        return AdamsSolution(
            self.y, self.steps, self.failed, lane[order], t[order], integrand, gap[order], dense
        )


def judge(errors: Array) -> Array:
    """Tell which steps of scaled errors (R,) are accepted."""
    return np.asarray(errors <= 1)


def _best_order(errors: Array, order: Array, known: Array, accepted: Array) -> tuple[Array, Array]:
    """Choose the order (R,), next to the present one, that steps farthest; return how far (R,).

    `errors` (R, J) are those of each order. A higher order needs another point, and is not tried on
    a rejection.
    """
    row = np.arange(len(order))

    def growth(order: Array, possible: Array) -> Array:
        error = np.maximum(errors[row, order], 1e-12)
        return np.where(possible, (AIM / error) ** (1 / (order + 1)), 0)

    lower, higher = np.maximum(order - 1, 1), np.minimum(order + 1, MOST_ORDER)
    orders = np.stack([order, higher, lower])
    growths = np.stack(
        [
            growth(order, order > 0),
            growth(higher, accepted & (order < MOST_ORDER) & (known > order + 1)),
            growth(lower, order > 1),
        ]
    )
    # No step grows by more: all that could are as good, and the present order stays.
    best = np.minimum(growths, GROW_MOST).argmax(axis=0)
    return orders[best, row], growths[best, row]


def _norm(values: Array) -> Array:
    """Return the root mean square over the last axis, in the precision of the values."""
    return np.asarray(np.sqrt(np.mean(values * values, axis=-1)))
