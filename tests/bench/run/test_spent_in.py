"""The parts of a gradient's time are those in which it was spent."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import numpy as np
import pytest

from gradpareto.bench.run.spent_in import CALLS, CONTRACTION, shares, shares_sentence
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator, bptt
from gradpareto.systems import LQR, TASKS, Array, Problem
from gradpareto.systems.policy import Policy

STEPS = 5
SLEPT = 0.02


def slowed(function: Callable[..., Any], through: Callable[[Callable[[], None]], None]) -> Any:
    """Return the function, which first sleeps in what is called `through` another."""

    @wraps(function)
    def slow(*given: Any, **named: Any) -> Any:
        through(lambda: time.sleep(SLEPT))
        return function(*given, **named)

    return slow


def directly(sleep: Callable[[], None]) -> None:
    sleep()


def through_numpy(sleep: Callable[[], None]) -> None:
    np.apply_along_axis(lambda row: sleep(), 0, np.ones(1))


@pytest.mark.parametrize("through", [directly, through_numpy])
@pytest.mark.parametrize(
    ("owner", "name", "part", "calls"),
    [
        (LQR, "flow", CALLS, 4 * STEPS),
        (LQR, "pullback", CALLS, 1),
        (Policy, "weighted_sums", CONTRACTION, 1),
        (bptt, "stage_states", "bptt", STEPS),
    ],
)
def test_what_sleeps_has_the_time(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    part: str,
    calls: int,
    through: Callable[..., None],
) -> None:
    """Truth: the time that is slept there, in nearly all of the gradient's."""
    problem = TASKS["lqr"].problem("optimal")
    gradient = partial(ESTIMATORS["bptt-rk4"], problem, np.ones((1, 2)), problem.horizon / STEPS)
    gradient()
    monkeypatch.setattr(owner, name, slowed(getattr(owner, name), through))
    started = time.perf_counter()
    found = shares(gradient)
    seconds = time.perf_counter() - started
    assert sum(found.values()) == pytest.approx(1)
    assert next(iter(found)) == part
    assert 0.9 * calls * SLEPT / seconds <= found[part] <= 1


@dataclass(frozen=True)
class PlugIn(Estimator):
    """Sleeps itself, and in a function of its own, and calls an estimator of the project."""

    @property
    def declares(self) -> Declaration:
        return ESTIMATORS["bptt-rk4"].declares

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        directly(lambda: time.sleep(SLEPT))
        time.sleep(SLEPT)
        return ESTIMATORS["bptt-rk4"](problem, x0, setting)


def test_a_plug_in_has_its_own_time() -> None:
    """Truth: what it sleeps; the estimator that it calls has the rest."""
    problem = TASKS["lqr"].problem("optimal")
    gradient = partial(PlugIn(), problem, np.ones((1, 2)), problem.horizon / STEPS)
    gradient()
    started = time.perf_counter()
    found = shares(gradient)
    seconds = time.perf_counter() - started
    assert 0.9 * 2 * SLEPT / seconds <= found["test_spent_in"] < 1
    assert {CALLS, CONTRACTION, "bptt"} <= set(found)


def test_a_sentence_names_the_largest_parts() -> None:
    parts = {"oracle calls": 0.7, "bptt": 0.15, "contraction": 0.1, "a": 0.04, "b": 0.01}
    assert shares_sentence(parts) == "oracle calls 70 %, bptt 15 %, contraction 10 %, a 4 %"
