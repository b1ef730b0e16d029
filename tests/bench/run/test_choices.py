"""What a race chooses, and the verb `choose`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.run.attempt import Outcome, attempt
from gradpareto.bench.run.choices import choices
from gradpareto.bench.run.field_race import race
from gradpareto.bench.run.overhead import AGAIN
from gradpareto.bench.run.racer import Racer
from gradpareto.bench.run.samples import Samples, certified
from gradpareto.bench.run.tried_setting import Tried
from gradpareto.bench.run.wall_model import WallModel
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import Array, Problem
from tests.bench.conftest import assert_refused
from tests.bench.learning.test_learning import silent
from tests.bench.run.test_field_race import FEW, entered, goal

PRICES = WallModel({name: (1e-6, 1e-8) for name in AGAIN})


@pytest.fixture(scope="module")
def samples(cache: Path) -> Samples:
    return certified("lqr", "optimal", 4, 0, cache)


def test_who_solves_lane_by_lane_races_on_the_first_samples_and_says_so(cache: Path) -> None:
    samples = certified("lqr", "optimal", 16, 0, cache)
    racers = race(goal(samples, 1e-3), 1, silent, entered("ctpg-scipy", "ctpg"))
    found = {one.estimator: one for one in choices(racers, samples, 1, "time", PRICES)}
    assert (found["ctpg-scipy"].samples, found["ctpg"].samples) == (4, 16)
    alone = ESTIMATORS["ctpg-scipy"](
        samples.first(4).problem, samples.x0[:4], found["ctpg-scipy"].setting
    )
    error = samples.first(4).rel_error(alone.gradient)
    np.testing.assert_allclose(found["ctpg-scipy"].rel_error, error)


@pytest.mark.parametrize(("by", "cost"), [("evals", "evals"), ("memory", "stored_bytes")])
def test_choices_are_ordered_by_their_cost(samples: Samples, by: str, cost: str) -> None:
    racers = race(goal(samples, 1e-4), 1, silent, entered(*FEW))
    found = choices(racers, samples, 2, by, PRICES)  # type: ignore[arg-type]
    costs = [getattr(one, cost) for one in found]
    assert costs == sorted(costs)
    assert len(found) > (by == "memory")
    assert all(one.gradient_ms > 0 and one.stored_bytes > 0 for one in found)


def test_who_solves_lane_by_lane_is_timed_on_a_few_lanes(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: a clock that advances by a second for each lane, whoever solves it."""
    monkeypatch.setattr(
        "gradpareto.bench.run.choices.seconds_of", lambda call: float(len(call.args[1]))
    )
    racers = race(goal(samples, 1e-3), 1, silent, entered("ctpg-scipy", "ctpg"))
    batches: dict[str, int] = {}

    def seen(estimator: Estimator, problem: Problem, x0: Array, setting: float) -> Outcome:
        batches[type(estimator).__name__] = len(x0)
        return attempt(estimator, problem, x0, setting)

    monkeypatch.setattr("gradpareto.bench.run.choices.attempt", seen)
    found = choices(racers, samples, 32, "time", PRICES)
    assert [one.gradient_ms for one in found] == [32_000.0, 32_000.0]
    assert sorted(batches.values()) == [4, 32]
    slow = next(one for one in found if one.estimator == "ctpg-scipy")
    few = attempt(ESTIMATORS["ctpg-scipy"], *samples.batch(4), slow.setting)
    assert slow.calls_ms == pytest.approx(8e3 * PRICES.seconds(few.meter.batches))


def test_a_racer_that_has_not_arrived_is_no_choice(samples: Samples) -> None:
    lost = Racer("bptt", (Tried(1.0, 0.5, 10.0, 0),), (0.0,), out=True)
    found = Tried(1e-3, 1e-4, 90.0, 0)
    there = Racer("ctpg", (found,), (2.0,), reached=found)
    assert [one.estimator for one in choices([lost, there], samples, 1, "evals", PRICES)] == [
        "ctpg"
    ]


CHOOSE = ("choose", "lqr", "--theta", "optimal", "--samples", "2", "--jobs", "2")


def test_choose_prints_and_keeps_the_best(call: Callable, tmp_path: Path) -> None:
    result = call(*CHOOSE, "--error", "1e-2", "--error", "1e-4", "--json", "--out", tmp_path / "c")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert {row["error"] for row in rows} == {1e-2, 1e-4}
    assert all(row["rel_error"] <= row["error"] for row in rows)
    table = pd.read_csv(tmp_path / "c" / "choices.csv")
    assert table.estimator.tolist() == [row["estimator"] for row in rows]
    assert all(";" in row["why"] for row in rows)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--error", "1e-30", "--calls", "64"), ("no estimator reaches 1e-30", "comes closest")),
        (("--error", "1e-6", "--calls", "1"), ("within 1 evaluations", "--calls")),
        (("--error", "1e-2", "--bytes", "10"), ("store more than 10 bytes",)),
        (("--error", "0"), ("--error", "positive")),
        (("--error", "x"), ("--error",)),
        (("--by", "luck"), ("--by",)),
        (("--batch", "0"), ("--batch",)),
        (("--theta", "nothing"), ("nothing",)),
    ],
)
def test_what_cannot_be_chosen_is_one_line(call: Callable, more: tuple, words: tuple) -> None:
    assert_refused(call(*CHOOSE, *more), *words)


def test_a_system_that_is_not_known_is_refused(call: Callable) -> None:
    assert_refused(call("choose", "lqrr"), "'lqrr'", "'lqr'")
    assert_refused(call("choose"), "SYSTEM")
