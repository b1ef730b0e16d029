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
    StateProbe,
    first_step,
    given_up,
)
from gradpareto.estimators.solvers.mesh import inside
from gradpareto.estimators.solvers.multistep.modified_differences import (
    NEIGHBOURS,
    ModifiedDifferences,
)
from gradpareto.estimators.solvers.multistep.node_output import NodeOutput
from gradpareto.estimators.solvers.multistep.nodes import Nodes
from gradpareto.estimators.solvers.right_hand_side import Path, RightHandSide
from gradpareto.systems import Array, Factors

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
    reason; `steps` (B,) counts the accepted steps. The rows of `dense` are the nodes of all lanes:
    lane (N,), t (N,), the order (N,) of the step that led there, which is 0 at the beginning of a
    segment, and `gap` (N,), the relative distance of the y at which it was evaluated from the
    corrected one. Those of one lane are in the order of the solve. `integrands` are the integrand's
    factors at the same rows, in pieces that follow each other, in each of which a lane has one row.
    """

    y: Array
    steps: Array
    failed: dict[int, str]
    lane: Array
    t: Array
    order: Array
    integrands: list[Factors]
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
class _Lanes:
    """R lanes between the ends of a segment; attempts are counted over the whole solve."""

    lane: Array
    t: Array
    y: Array
    h: Array
    order: Array
    known: Array
    rejections: Array
    attempts: Array
    slopes: ModifiedDifferences

    def keep(self, rows: Array) -> None:
        """Forget all lanes but those in some rows."""
        self.slopes.keep(rows)
        for name in ("lane", "t", "y", "h", "order", "known", "rejections", "attempts"):
            setattr(self, name, getattr(self, name)[rows])


class AdamsStepper:
    """All lanes at the beginning of a segment; `going` are those that have not arrived yet."""

    going: _Lanes

    def __init__(
        self, rhs: RightHandSide, y0: Array, control: Adaptive, path: Path | None, corrected: bool
    ) -> None:
        self.rhs, self.control, self.path, self.corrected = rhs, control, path, corrected
        self.y, self.attempts = y0.copy(), np.zeros(len(y0), dtype=int)
        self.failed: dict[int, str] = {}
        self.segment = -1
        self.kept: list[tuple[Array, ...]] = []
        self.segments: list[int] = []
        self.integrands: list[Factors] = []

    def cross(self, left: float, right: float) -> None:
        """Bring every lane from time `left` to time `right`."""
        self.segment += 1
        self.left, self.right = left, right
        self.open = inside(np.array([left, right]), left, right)
        self.open.sort()
        lane = np.array([k for k in range(len(self.y)) if k not in self.failed], dtype=int)
        if not len(lane):
            return
        t, y = np.full(len(lane), left), self.y[lane]
        slope, node = self._evaluate(lane, t, y)
        order, known, rejections = np.array([[1], [1], [0]]) + np.zeros_like(lane)
        self._remember(lane, t, y, 0 * order, slope, node, np.zeros(len(lane)))
        h = self._first_step(lane, t, y, slope)
        slopes = ModifiedDifferences(t, slope, right - left)
        attempts = self.attempts[lane]
        self.going = _Lanes(lane, t, y, h, order, known, rejections, attempts, slopes)
        while len(self.going.lane):
            self._attempt()

    def _evaluate(self, lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        t = np.minimum(np.maximum(t, self.open[0]), self.open[1])
        return self.rhs(lane, t, y, *(() if self.path is None else (self.path(lane, t),)))

    def _remember(
        self,
        lane: Array,
        t: Array,
        y: Array,
        order: Array,
        slope: Array,
        node: Factors,
        gap: Array,
    ) -> None:
        """Keep a point of each lane, reached by a step of `order`, or by none if that is 0."""
        self.kept.append((lane, t, y, order, slope, gap))
        self.segments.append(self.segment)
        self.integrands.append(node)

    def _first_step(self, lane: Array, t: Array, y: Array, slope: Array) -> Array:
        """Guess a first step (R,) of order 1, of the error aimed at, from a probe of y''."""

        def after(h: Array) -> Array:
            return self._evaluate(lane, t + h, y + as_column(h, y) * slope)[0]

        def length(speed: Array, bend: Array, trial: Array) -> Array:
            return np.sqrt(AIM / np.maximum(bend, SMALL))

        probe = StateProbe(y, slope, after, self.control.scale(y, y), _norm)
        return first_step(self.right - self.left, probe, length)

    def _attempt(self) -> None:
        """Try a step in each lane that is going, and go on with it in those that accept it."""
        going = self.going
        remaining = self.right - going.t
        reach, distance = np.abs(going.h), np.abs(remaining)
        landing = reach >= distance * (1 - 1e-9)
        # The last two steps share what remains, so that none is a sliver.
        halved = np.where(2 * reach > distance, 0.5 * remaining, going.h)
        h = np.where(landing, remaining, halved)
        t = np.where(landing, self.right, going.t + h)
        predicted = going.y + going.slopes.predict(h, going.order)
        slope, node = self._evaluate(going.lane, t, predicted)
        change, terms = going.slopes.correct(slope)
        y = predicted + change
        terms /= self.control.scale(going.y, y).T
        errors = np.sqrt(np.einsum("emr,emr->er", terms, terms) / y.shape[1]).astype(float)
        errors[~np.isfinite(errors)] = np.inf
        accepted = judge(errors[0])
        if accepted.any():
            missed = _norm(change) / np.maximum(_norm(y), SMALL)
            self._advance(accepted, t, y, slope, node, missed)
        self._settle(h, errors, accepted)
        self._leave(accepted & landing)

    def _advance(
        self, accepted: Array, t: Array, y: Array, slope: Array, node: Factors, missed: Array
    ) -> None:
        """Go on to an attempt's t, y and slopes (R, ...) in the rows that are `accepted`."""
        going, rows = self.going, np.flatnonzero(accepted)
        lane, order = going.lane, going.order
        going.known = going.known + accepted
        if len(rows) == len(accepted):
            going.t, going.y = t, y
        else:
            going.t = np.where(accepted, t, going.t)
            going.y = np.where(accepted[:, None], y, going.y)
            attempt = lane, t, y, order, slope, missed
            lane, t, y, order, slope, missed = (part[rows] for part in attempt)
            node = tuple(part[rows] for part in node)
        if self.corrected:
            slope, node = self._evaluate(lane, t, y)
            going.slopes.replace(rows, slope)
            missed = np.zeros(len(lane))
        going.slopes.accept(going.t, accepted)
        self._remember(lane, t, y, order, slope, node, missed)

    def _settle(self, h: Array, errors: Array, accepted: Array) -> None:
        """Choose the order and the length of each lane's next step."""
        going = self.going
        going.attempts += 1
        going.rejections = np.where(accepted, 0, going.rejections + 1)
        best, growth = _best_order(errors, going.order, going.known, accepted)
        ceiling = np.where(accepted, GROW_MOST, SHRINK_LEAST)
        wanted, proposed = h * np.minimum(np.maximum(growth, SHRINK_MOST), ceiling), going.h
        # A step cut short to land says nothing against the longer one that was proposed.
        cut = accepted & (np.maximum(np.abs(h), np.abs(wanted)) < np.abs(proposed))
        going.h = np.where(cut, proposed, wanted)
        going.order = np.where(going.rejections >= STUBBORN, 1, best)

    def _leave(self, arrived: Array) -> None:
        """Keep the y of lanes that have `arrived`, and give up those that never will."""
        going = self.going
        ends, row = (self.left, self.right), np.flatnonzero(~arrived)
        lost = given_up(row, going.t, going.h, going.attempts, ends)
        if len(row) == len(arrived) and not lost:
            return
        self.y[going.lane], self.attempts[going.lane] = going.y, going.attempts
        self.failed |= {int(going.lane[k]): reason for k, reason in lost.items()}
        going.keep(np.array([k for k in row.tolist() if k not in lost], dtype=int))

    def solution(self, stops: Array) -> AdamsSolution:
        """Return everything that was kept."""
        direction = 1.0 if stops[-1] > stops[0] else -1.0
        lane, t, y, order, slope, gap = map(np.concatenate, zip(*self.kept, strict=True))
        segment = np.repeat(self.segments, [len(point[0]) for point in self.kept])
        steps = np.bincount(lane[order > 0], minlength=len(self.y))
        nodes = Nodes.sorting(lane * (len(stops) - 1) + segment, direction * t)
        dense = NodeOutput(nodes, y, slope, stops, direction)
        held = self.integrands
        return AdamsSolution(self.y, steps, self.failed, lane, t, order, held, gap, dense)


def judge(errors: Array) -> Array:
    """Tell which steps of scaled errors (R,) are accepted."""
    return np.asarray(errors <= 1)


def _best_order(errors: Array, order: Array, known: Array, accepted: Array) -> tuple[Array, Array]:
    """Choose the order (R,), next to the present one, that steps farthest; return how far (R,).

    `errors` (3, R) are those of the present order, the next higher and the next lower. A higher
    order needs another point, and is not tried on a rejection.
    """
    orders = order + NEIGHBOURS
    growths = (AIM / np.maximum(errors, 1e-12)) ** (1 / (orders + 1))
    growths[1] *= accepted & (order < MOST_ORDER) & (known > orders[1])
    growths[2] *= order > 1
    # No step grows by more: all that could are as good, and the present order stays.
    best, row = np.minimum(growths, GROW_MOST).argmax(axis=0), np.arange(len(order))
    return orders[best, row], growths[best, row]


def _norm(values: Array) -> Array:
    """Return the root mean square over the last axis, in the precision of the values."""
    return np.asarray(np.sqrt(np.einsum("rm,rm->r", values, values) / values.shape[1]))
