"""The rule that traces a frontier, on estimators whose errors and evaluations are formulas."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gradpareto.bench.run.plan import CALLS
from gradpareto.bench.run.trace import (
    BEST_ERROR,
    COARSE_ERROR,
    COARSE_EVALS,
    MOST_SETTINGS,
    PARAMETER_FACTOR,
    UNTIL_AN_ESTIMATE,
    Point,
    Tracer,
    point_of,
)
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.conftest import record

PROBLEM = TASKS["lqr"].problem("optimal")
Law = Callable[[float], tuple[float, float]]
"""A function of the setting that returns evaluations and error."""


def steps(setting: float) -> int:
    return round(PROBLEM.horizon / setting)


def order(p: int, size: float = 1.0, floor: float = 0.0) -> Law:
    """Fixed steps of 8 evaluations, with an error of order p and a floor."""
    return lambda setting: (8.0 * steps(setting), size * steps(setting) ** -float(p) + floor)


def unstable_below(count: int) -> Law:
    """An error of order 4 from a number of steps on, and no estimate with fewer."""
    return lambda setting: (
        8.0 * steps(setting),
        1e3 * steps(setting) ** -4.0 if steps(setting) >= count else math.inf,
    )


def adaptive(p: int) -> Law:
    return lambda setting: (50 + 20 * setting ** (-1 / p), setting)


def tracer(name: str, calls: float = CALLS) -> Tracer:
    return Tracer(ESTIMATORS[name], PROBLEM, calls)


def traced(
    rule: Tracer, law: Law, floor: float = 0.0, given: tuple[Point, ...] = ()
) -> list[Point]:
    """Measure one setting after the other, from the points that are given on."""
    rises = rule.estimator.declares.knob == "rollouts"
    points = list(given)
    while (setting := rule.next_setting(points)) is not None:
        assert all(setting != point.setting for point in points), "it is measured twice"
        evals, error = law(setting)
        points.append(Point(setting, evals, error, floored=error < floor))
        points.sort(key=lambda point: point.setting, reverse=not rises)
    return points


CASES = {
    "of order 1": ("bptt", order(1)),
    "of order 4": ("bptt-rk4", order(4, 10.0)),
    "of order 8": ("bptt-dop853", order(8)),
    "with a floor": ("bptt-rk4", order(4, 10.0, 1e-6)),
    "unstable": ("bptt-rk4", unstable_below(300)),
    "stiff": ("bptt-rk4", unstable_below(3600)),
    "adaptive": ("ctpg", adaptive(5)),
    "rollouts": ("spsa", lambda setting: (10 * setting, 0.5 / math.sqrt(setting))),
}


@pytest.mark.parametrize("case", CASES)
def test_no_gap_is_left_on_the_frontier(case: str) -> None:
    name, law = CASES[case]
    points = traced(tracer(name), law)
    estimates = [point for point in points if point.is_estimate]
    assert len(estimates) >= 2
    best = math.inf
    for loose, tight in pairwise(estimates):
        best = min(best, loose.error)
        if tight.error >= best or len(points) == MOST_SETTINGS:  # a plateau needs no points
            continue
        coarse = (
            tight.evals / loose.evals > COARSE_EVALS or loose.error / tight.error > COARSE_ERROR
        )
        if ESTIMATORS[name].declares.knob == "step":
            coarse &= steps(tight.setting) - steps(loose.setting) > 1
        if ESTIMATORS[name].declares.knob == "rollouts":
            coarse &= tight.setting - loose.setting > 2
        assert not coarse, (loose, tight)
    assert len(points) <= MOST_SETTINGS


@pytest.mark.parametrize("case", CASES)
def test_a_tracing_that_goes_on_ends_as_one_that_was_not_stopped(case: str) -> None:
    name, law = CASES[case]
    rule, given, seen = tracer(name), [], []
    whole = traced(rule, law)
    while (setting := rule.next_setting(given)) is not None:
        given.append(Point(setting, *law(setting)))
        given.sort(key=lambda one: one.setting, reverse=name != "spsa")
        seen.append(tuple(given))
    for part in seen[::5]:
        assert traced(rule, law, given=part) == whole


def test_it_ends_where_nothing_more_is_to_be_seen() -> None:
    last = traced(tracer("bptt-dop853"), order(8))[-1]
    assert last.error <= BEST_ERROR
    floored = traced(tracer("bptt-rk4"), order(4, 10.0), floor=1e-6)
    assert [point.floored for point in floored].count(True) == 1
    assert floored[-1].floored
    plateau = traced(tracer("bptt-rk4"), order(4, 10.0, 1e-3))
    assert plateau[-1].evals < CALLS  # two tightenings without gain are enough
    few = traced(tracer("bptt-rk4", 100), order(4, 10.0))
    assert max(point.evals for point in few) <= 100


def test_unstable_steps_are_skipped_and_the_first_estimate_is_found() -> None:
    """Truth: a law that is stable from 3,600 steps on, found to within a factor of two."""
    points = traced(tracer("bptt-rk4"), unstable_below(3600))
    first = next(point for point in points if point.is_estimate)
    lost = [point for point in points if not point.is_estimate]
    assert len(lost) <= 7
    assert 3600 <= steps(first.setting) <= 2.1 * 3600
    assert first.evals <= UNTIL_AN_ESTIMATE * CALLS
    assert steps(lost[-1].setting) >= steps(first.setting) / 2.1


def test_an_iteration_that_fails_at_any_step_is_not_tried_for_ever() -> None:
    """Truth: the declared calls of the finest step are bounded, whatever a failure has spent."""
    rule = tracer("spectral")
    points = traced(rule, lambda setting: (300.0, math.inf))
    finest = rule.estimator.calls(PROBLEM, points[-1].setting)
    assert finest <= 8 * UNTIL_AN_ESTIMATE * CALLS
    assert len(points) < 12


def test_a_setting_that_was_given_up_ends_it() -> None:
    rule = tracer("ctpg")
    points = [Point(0.1, 100, 0.1), Point(0.01, math.nan, math.inf, given_up=True)]
    assert rule.next_setting(points) is None


def test_a_point_is_of_the_samples_that_can_judge() -> None:
    """Truth: medians of 1e-3, 1e-4 and a failure, and of nothing."""
    own = [replace(record("ctpg", 0.1, s, 10 + s, 10.0**-s), status="ok") for s in (3, 4)]
    lost = replace(record("ctpg", 0.1, 5, 30, np.nan), status="diverged")
    silent = replace(record("ctpg", 0.1, 6, 0, np.nan), status="uncertified")
    assert point_of([*own, lost, silent, silent]) == Point(0.1, 14, 1e-3)
    assert point_of([silent, silent]).given_up
    floored = replace(own[0], reference_uncertainty=1.0)
    assert point_of([floored, floored, own[1]]).floored


def test_an_estimator_that_pays_for_each_parameter_may_take_more() -> None:
    most = {name: Tracer(ESTIMATORS[name], PROBLEM, 1.0).most for name in ("complex_step", "bptt")}
    assert most == {"complex_step": PARAMETER_FACTOR, "bptt": 1}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_has_a_first_setting_on_every_problem(name: str) -> None:
    for task in TASKS.values():
        problem = task.problem(next(iter(task.presets)))
        setting = Tracer(ESTIMATORS[name], problem, CALLS).next_setting([])
        assert setting is not None
        largest = np.inf if ESTIMATORS[name].declares.knob == "rollouts" else problem.horizon
        assert 0 < setting <= largest


def test_names_decide_nothing() -> None:
    """Truth: an estimator of the same declaration under a type of its own."""
    estimator = ESTIMATORS["ctpg"]
    twin = type("Twin", (type(estimator),), {})(*vars(estimator).values())
    rule, other = Tracer(estimator, PROBLEM, CALLS), Tracer(twin, PROBLEM, CALLS)
    assert traced(rule, adaptive(5)) == traced(other, adaptive(5))
    assert replace(rule, calls=100.0).most == 100
