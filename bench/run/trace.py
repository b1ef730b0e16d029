"""Traces a frontier: chooses an estimator's next setting from the settings that were measured.

One rule serves every estimator on every problem. It goes from loose settings to tight ones, and
then puts settings where the frontier is coarse. It sees deterministic columns alone, so a sweep
that was killed, and one in parallel, end with the same settings.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np

from gradpareto.bench.judge.frontier import NO_ESTIMATE, below_floor, front
from gradpareto.bench.judge.stalled import stands
from gradpareto.bench.run.loosest_setting import TIGHTEST, rung
from gradpareto.bench.store.record import SILENT
from gradpareto.estimators import Declaration, Estimator
from gradpareto.systems import Problem

BEST_ERROR = 1e-12
"""An error below which nothing tighter is tried."""
MOST_STRIDE = 4
"""The most rungs by which a setting is tightened while there is no estimate."""
COARSE_EVALS, COARSE_ERROR = 1.5, 10**1.5
"""The factors between two neighbours on a frontier beyond which a setting is put between them."""
ALIKE = 1.02
"""The factor below which two settings are one."""
MOST_SETTINGS = 40
ROUGHLY = 8
"""The factor by which an iterative estimator may take fewer evaluations than it declares."""
ENDED = ("timeout", "memory", "died")
"""The statuses of a record whose cell was ended by a limit: a tighter setting would be, too."""
UNTIL_AN_ESTIMATE = 16
"""The factor of evaluations allowed until there is an estimate: stability may bound a step."""
PARAMETER_FACTOR = 64
"""The factor of evaluations allowed to an estimator whose cost grows with the parameters."""


@dataclass(frozen=True, slots=True)
class Point:
    """A measured setting: the medians over samples of the evaluations and of the error.

    The error is inf where at least half of the samples failed. `floored` says that at least half of
    them are at the reference's floor, and `given_up` that a limit of time or memory ended it.
    """

    setting: float
    evals: float
    error: float
    floored: bool = False
    given_up: bool = False

    @property
    def seen(self) -> tuple[float, float, bool, bool]:
        """All but the setting."""
        return self.evals, self.error, self.floored, self.given_up

    @property
    def is_estimate(self) -> bool:
        return self.error <= NO_ESTIMATE or self.floored


class Measured(Protocol):
    """The deterministic columns of a record that the tracer sees."""

    @property
    def setting(self) -> float: ...
    @property
    def status(self) -> str: ...
    @property
    def evals(self) -> int: ...
    @property
    def rel_error(self) -> float: ...
    @property
    def abs_error(self) -> float: ...
    @property
    def reference_uncertainty(self) -> float: ...


def point_of(records: Sequence[Measured]) -> Point:
    """Return the point of a cell's records; samples that decide nothing are left out.

    A cell that has no others is given up, since a tighter one would have none either.
    """
    setting = records[0].setting
    seen = [one for one in records if one.status not in SILENT]
    if not seen:
        return Point(setting, 0.0, math.inf, given_up=True)
    ok = np.array([one.status == "ok" for one in seen])
    evals, error, away, uncertainty = np.array(
        [(one.evals, one.rel_error, one.abs_error, one.reference_uncertainty) for one in seen]
    ).T
    error = np.where(ok, error, math.inf)
    floored = ok & below_floor(away, uncertainty, evals)
    given_up = any(one.status in ENDED for one in seen)
    medians = float(np.median(evals)), float(np.median(error))
    return Point(setting, *medians, bool(floored.mean() >= 0.5), given_up)


@dataclass(frozen=True)
class Tracer:
    """The rule for an estimator on a problem, on which a sample may take `calls` evaluations."""

    estimator: Estimator
    problem: Problem
    calls: float

    @cached_property
    def declares(self) -> Declaration:
        """The estimator's declaration, which takes a while to be checked."""
        return self.estimator.declares

    @property
    def most(self) -> float:
        """The evaluations that a sample may take at one setting."""
        many = self.declares.cost_grows_with_parameters
        return self.calls * (PARAMETER_FACTOR if many else 1)

    def next_setting(self, points: Sequence[Point]) -> float | None:
        """Return the setting to measure after these, None if no more is."""
        points = sorted(points, key=lambda point: self._tightness(point.setting))
        if len(points) >= MOST_SETTINGS:
            return None
        tighter = self._tighter(points)
        return self._between(points) if tighter is None else tighter

    def rung(self, place: int) -> float:
        """Return a setting of the ladder: decades of the tolerance, powers of 2 of a number."""
        return rung(self.estimator, self.problem, place)

    def _tighter(self, points: Sequence[Point]) -> float | None:
        """Return the next rung of the ladder, or None at its end."""
        if not points:
            return self.rung(0) if self._expected(points, self.rung(0)) else None
        last = points[-1]
        estimates = [point for point in points if point.is_estimate]
        ends = last.floored or last.given_up or last.error <= BEST_ERROR
        if ends or stands([point.error for point in estimates]):
            return None
        place = self._place(last.setting)
        stride = 1 if estimates else min(2 ** (len(points) - 1), MOST_STRIDE)
        while stride and not self._expected(points, self.rung(place + stride)):
            stride //= 2
        return self.rung(place + stride) if stride else None

    def _place(self, setting: float) -> int:
        """Return the place of the tightest rung that is no tighter than a setting."""
        place = 0
        while self._tightness(self.rung(place + 1)) <= self._tightness(setting) * ALIKE:
            place += 1
        return place

    def _tightness(self, setting: float) -> float:
        return setting if self._rises else 1 / setting

    @property
    def _rises(self) -> bool:
        """Whether a larger setting is a tighter one."""
        return self.declares.knob == "rollouts"

    def _expected(self, points: Sequence[Point], setting: float) -> bool:
        """Whether a setting can be expected to take no more evaluations than allowed."""
        if self.declares.knob == "tolerance" and setting < TIGHTEST:
            return False
        calls = self.estimator.calls(self.problem, setting)
        seen = any(point.is_estimate for point in points)
        most = self.most * (1 if seen else UNTIL_AN_ESTIMATE)
        # What an iteration takes is declared roughly, and may not grow where it fails.
        most_declared = ROUGHLY * most if self.declares.iterative else most
        if math.isfinite(calls) and calls > most_declared:
            return False
        if not points or (math.isfinite(calls) and not self.declares.iterative):
            return True
        last, looser = points[-1], self.rung(max(self._place(points[-1].setting) - 1, 0))
        before = [one.evals for one in points if one.setting == looser]
        growth = last.evals / before[0] if before and before[0] else 1.0
        return last.evals * max(growth, 1.0) <= most

    def _between(self, points: Sequence[Point]) -> float | None:
        """Return the setting in the middle of the coarsest pair of neighbours, if one is coarse."""
        coarse = [
            (wide, loose, tight)
            for loose, tight in pairwise(points)
            if not tight.given_up and (wide := self._coarseness(loose, tight)) > 1
        ]
        if not coarse:
            return None
        counted = [point for point in points if point.is_estimate and not point.floored]
        best = front(
            np.array([point.evals for point in counted]), np.array([p.error for p in counted])
        )
        on_front = set(zip(best.evals.tolist(), best.error.tolist(), strict=True))
        for _, loose, tight in sorted(coarse, key=lambda pair: pair[0], reverse=True):
            middle = self._middle(loose.setting, tight.setting)
            ends = {(loose.evals, loose.error), (tight.evals, tight.error)}
            if middle is not None and ends & on_front:
                return middle
        return None

    def _coarseness(self, loose: Point, tight: Point) -> float:
        """Return how many times as far apart as they may be two neighbours are, in logarithms.

        An estimate may be a rung of the ladder away from a setting that gives none.
        """
        if not (loose.is_estimate and tight.is_estimate):
            a_rung = self._tightness(self.rung(1)) / self._tightness(self.rung(0)) * ALIKE
            ratio = self._tightness(tight.setting) / self._tightness(loose.setting)
            return math.log(ratio) / math.log(a_rung)
        evals = abs(math.log(max(tight.evals, 1) / max(loose.evals, 1)))
        apart = evals / math.log(COARSE_EVALS)
        if min(loose.error, tight.error) > 0:
            error = abs(math.log(loose.error / tight.error)) / math.log(COARSE_ERROR)
            apart = max(apart, error)
        return apart

    def _middle(self, loose: float, tight: float) -> float | None:
        """Return the setting between two, of a whole number of steps, or None if there is none."""
        middle = math.sqrt(loose * tight)
        if self.declares.knob == "step":
            count = round(self.problem.horizon / middle)
            middle = self.problem.horizon / count
        elif self._rises:
            middle = 2.0 * round(middle / 2)
        apart = (max(middle, one) / min(middle, one) for one in (loose, tight))
        return middle if min(apart) > ALIKE else None
