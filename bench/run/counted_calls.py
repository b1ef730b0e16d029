"""Counts the oracle calls of a process at their classes, whichever object they are called through.

Each call of an oracle of `Problem` is reported at once, with its lanes, and with the rows of the
dynamics and of the policy that were evaluated in it. Rows that are evaluated outside of such a call
are reported too, on their own. `tally.py` reads the reports, in the process that judges.
"""

import struct
import threading
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from gradpareto.systems import Array, Policy, Problem, System
from gradpareto.systems.policy import Layers

HEADER = struct.Struct("<BI4QI")
"""A report: its kind, the rows of the oracle call, the evaluated rows by EVALUATED, and the number
of lanes (64-bit integers) that follow."""
ORACLES = ("flow", "pullback", "jacobian")
"""The oracles, whose numbers are the kinds of reports. The two kinds after them are rows outside of
a call, and a call with arrays that do not hold numbers."""
OUTSIDE, STRANGE, MORE = 3, 4, 8
"""MORE is added to the kind of a report that has more lanes of the call before it."""
EVALUATED = ("flow", "pullback", "forward", "policy pullback")
NUMBERS = "fciub"
"""The kinds of arrays that hold numbers, which have a size of their own: one object could stand for
many states."""
MOST_LANES = 480
"""The lanes of one report, which a pipe then takes as a whole."""

Report = Callable[[bytes], object]
Turn = Callable[[int], object]
Note = Callable[[int, Iterable[Any]], None]
Raw = Callable[..., Any]


class _Inside(threading.local):
    """The calls that this thread is inside of: an oracle's, a system's, a policy's."""

    rows: list[int] | None = None
    system = policy = False


class CountedCalls:
    """Has the classes of problems, systems and policies report each call to `report`.

    `turn` is told the rows of a call with which a backward pass may begin.
    """

    def __init__(self, report: Report, turn: Turn) -> None:
        inside = _Inside()
        note = _noting(inside, report)
        self._seen: set[type] = set()
        self._wrappers: tuple[tuple[type, dict[str, Callable[[Raw], Raw]]], ...] = (
            (
                System,
                {"flow": _flow(inside, note), "pullback": _pullback(inside, note)},
            ),
            (
                Policy,
                {"forward": _forward(inside, note), "pullback": _policy_pullback(inside, note)},
            ),
        )
        for kind, name in enumerate(ORACLES):
            setattr(Problem, name, _oracle(kind, getattr(Problem, name), inside, report, turn))
        # A Jacobian could be read that was not paid for: products are calls of `pullback` here.
        setattr(Problem, "stages_at_once", lambda problem, rows: 0)  # noqa: B010
        setattr(Problem, "terminal_gradient", _ending(Problem.terminal_gradient, turn))  # noqa: B010
        self.count_new()

    def count_new(self) -> None:
        """Have the classes report that were made since."""
        for root, wrappers in self._wrappers:
            for kind in _all(root) - self._seen:
                self._seen.add(kind)
                for name in wrappers.keys() & vars(kind).keys():
                    raw = vars(kind)[name]
                    if isinstance(raw, FunctionType) and name not in _abstract(kind):
                        setattr(kind, name, wrappers[name](raw))


def _oracle(kind: int, raw: Raw, inside: _Inside, report: Report, turn: Turn) -> Raw:
    pack, size, number_of_a_lane = HEADER.pack, MOST_LANES, np.dtype(np.int64)

    def oracle(problem: Problem, lane: Array, *given: Any, **named: Any) -> Any:
        lanes = lane if type(lane) is np.ndarray else np.asarray(lane)
        if lanes.dtype is not number_of_a_lane:
            lanes = lanes.astype(np.int64, casting="safe", copy=False)
        if kind == 1:
            turn(len(lanes))
        outer, inside.rows = inside.rows, [0, 0, 0, 0]
        try:
            return raw(problem, lanes, *given, **named)
        finally:
            rows, inside.rows = inside.rows, outer
            number = len(lanes)
            if number <= size:
                report(pack(kind, number, *rows, number) + lanes.tobytes())
            else:
                _report_parts(report, kind, lanes, rows)

    return oracle


def _report_parts(report: Report, kind: int, lanes: Array, rows: list[int]) -> None:
    """Report a call of more than MOST_LANES, in parts."""
    for start in range(0, len(lanes), MOST_LANES):
        part = lanes[start : start + MOST_LANES]
        first = (len(lanes), *rows) if start == 0 else (0, 0, 0, 0, 0)
        report(HEADER.pack(kind + MORE * (start > 0), *first, len(part)) + part.tobytes())


def _ending(raw: Raw, turn: Turn) -> Raw:
    def terminal_gradient(problem: Problem, x: Array) -> Any:
        turn(len(x))
        return raw(problem, x)

    return terminal_gradient


# Each of these four makes functions with a code of their own, by which a fault of a system says
# where it was raised.


def _flow(inside: _Inside, note: Note) -> Callable[[Raw], Raw]:
    def counted(raw: Raw) -> Raw:
        def flow(system: System, *given: Any, **named: Any) -> Any:
            if inside.system:
                return raw(system, *given, **named)
            inside.system = True
            try:
                note(0, (*given, *named.values()) if named else given)
                return raw(system, *given, **named)
            finally:
                inside.system = False

        return flow

    return counted


def _pullback(inside: _Inside, note: Note) -> Callable[[Raw], Raw]:
    def counted(raw: Raw) -> Raw:
        def pullback(system: System, *given: Any, **named: Any) -> Any:
            if inside.system:
                return raw(system, *given, **named)
            inside.system = True
            try:
                note(1, (*given, *named.values()) if named else given)
                return raw(system, *given, **named)
            finally:
                inside.system = False

        return pullback

    return counted


def _forward(inside: _Inside, note: Note) -> Callable[[Raw], Raw]:
    def counted(raw: Raw) -> Raw:
        def forward(policy: Policy, layers: Layers, o: Array) -> Any:
            if inside.policy:
                return raw(policy, layers, o)
            inside.policy = True
            try:
                note(2, (o, *_per_row(layers)))
                return raw(policy, layers, o)
            finally:
                inside.policy = False

        return forward

    return counted


def _policy_pullback(inside: _Inside, note: Note) -> Callable[[Raw], Raw]:
    def counted(raw: Raw) -> Raw:
        def pullback(policy: Policy, layers: Layers, values: Any, gu: Array) -> Any:
            if inside.policy:
                return raw(policy, layers, values, gu)
            inside.policy = True
            try:
                note(3, (gu, *values, *_per_row(layers)))
                return raw(policy, layers, values, gu)
            finally:
                inside.policy = False

        return pullback

    return counted


def _noting(inside: _Inside, report: Report) -> Note:
    pack, numbers, plain = HEADER.pack, NUMBERS, np.ndarray

    def note(place: int, arrays: Iterable[Any]) -> None:
        """Note the rows of a call: the most that one of its arrays has."""
        most = 0
        for given in arrays:
            array = given if type(given) is plain else np.asarray(given)
            if array.dtype.kind not in numbers:
                report(pack(STRANGE, 0, 0, 0, 0, 0, 0))
            shape = array.shape
            rows = shape[0] if 0 < len(shape) < 3 else _rows(array)
            most = rows if rows > most else most
        counts = inside.rows
        if counts is not None:
            counts[place] += most
            return
        outside = [0, 0, 0, 0]
        outside[place] = most
        report(pack(OUTSIDE, 0, *outside, 0))

    return note


def _all(root: type) -> set[type]:
    """Return a class and all that derive from it."""
    return {root}.union(*map(_all, root.__subclasses__()))


def _abstract(kind: type) -> frozenset[str]:
    return getattr(kind, "__abstractmethods__", frozenset())


def _rows(array: Array) -> int:
    """Return the rows of an array, whose last axis is not one of rows."""
    return array.size // (array.shape[-1] or 1) if array.ndim else 1


def _per_row(layers: Layers) -> list[Array]:
    """Return a part of each weight and bias that has a value for each row."""
    found = []
    for weight, bias in layers:
        if weight.ndim > 2:
            found.append(weight[..., 0])
        if bias.ndim > 1:
            found.append(bias)
    return found
