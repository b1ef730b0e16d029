"""The courses of a sweep under way: the settings that wait, and which of them takes longest."""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

from gradpareto.bench.run.plan import Course, Plan
from gradpareto.bench.run.trace import Point, Tracer, point_of
from gradpareto.bench.store.cells import CellStore
from gradpareto.bench.store.record import Cell, Record
from gradpareto.bench.store.sweep_notes import Held, note
from gradpareto.bench.store.sweep_notes import course as held_of
from gradpareto.estimators import Estimator
from gradpareto.systems import Problem


@dataclass
class Line:
    """A course under way: the settings that wait, and the points that its tracer has seen.

    Given settings wait side by side. A traced frontier has one at a time, since each is chosen from
    those before it.
    """

    course: Course
    estimator: Estimator
    problem: Problem
    calls: float
    waiting: list[float] = field(default_factory=list)
    """The settings that wait, that of the longest cell last."""
    points: list[Point] = field(default_factory=list)

    @cached_property
    def tracer(self) -> Tracer:
        return Tracer(self.estimator, self.problem, self.calls)

    @property
    def traced(self) -> bool:
        return not self.course.settings

    def see(self, records: list[Record]) -> Point | None:
        """Take a finished cell's records, and choose the next cell of a traced frontier.

        Returns the point of the cell, if the frontier is traced.
        """
        if not self.traced:
            return None
        self.points.append(point_of(records))
        self.choose()
        return self.points[-1]

    def choose(self) -> None:
        """Choose the next setting of a traced frontier; none is left at its end."""
        setting = self.tracer.next_setting(self.points)
        if setting is not None:
            self.waiting.append(setting)

    def length(self, setting: float) -> tuple[float, float]:
        """Return what orders cells by their time: the evaluations of all samples, and tightness.

        Where an estimator declares no evaluations, they are those of the tightest setting that was
        measured, or as many as are allowed.
        """
        calls = self.estimator.calls(self.problem, setting)
        if not math.isfinite(calls):
            calls = max((point.evals for point in self.points), default=self.calls)
        tightness = setting if self.tracer.declares.knob == "rollouts" else 1 / setting
        return calls * self.course.samples, tightness

    def take(self) -> Cell:
        """Take the longest of the cells that wait."""
        return self.course.cell(self.waiting.pop())


def line_of(
    course: Course, plan: Plan, estimator: Estimator, problem: Problem, store: CellStore
) -> Line:
    """Return what the store lacks of a course, which is known from its index alone."""
    line = Line(course, estimator, problem, plan.calls)
    held = list(held_of(store.run, course.key))
    if course.settings:
        samples = {one.setting: one.samples for one in held}
        lacking = (one for one in course.settings if samples.get(float(one), 0) < course.samples)
        line.waiting = sorted(lacking, key=line.length)
        return line
    line.points = _points(course, held, store)
    line.choose()
    return line


def _points(course: Course, held: Sequence[Held], store: CellStore) -> list[Point]:
    """Return the points of the finished cells of a traced frontier.

    Those that are not noted, as older versions do not, are taken from the records and noted.
    """
    whole = [one for one in held if one.samples >= course.samples]
    if all(one.seen is not None for one in whole):
        return [Point(one.setting, *one.seen) for one in whole if one.seen is not None]
    table = store.table(("system = ? AND theta = ? AND estimator = ?", course.key))
    measured: list[Any] = [list(rows.itertuples()) for _, rows in table.groupby("setting")]
    points = [point_of(records) for records in measured if len(records) >= course.samples]
    with store.transaction():
        for point in points:
            note(store.run, (*course.key, point.setting), point.seen)
    return points


class Waiting:
    """The cells that wait to be measured, the longest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[tuple[float, float], int, Line]] = []
        self._order = count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, lines: Iterable[Line]) -> None:
        """Have the cells of lines wait."""
        for line in lines:
            if line.waiting:
                calls, tightness = line.length(line.waiting[-1])
                heapq.heappush(self._heap, ((-calls, -tightness), next(self._order), line))

    def take(self) -> tuple[Cell, Line]:
        """Take the longest cell, and its line."""
        line = heapq.heappop(self._heap)[-1]
        cell = line.take()
        self.add([line])
        return cell, line
