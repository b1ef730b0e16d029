"""What a race chooses, and the verb `choose`."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.repeats import SLACK
from gradpareto.bench.run.attempt import attempt, called, memory_traced, stored_bytes
from gradpareto.bench.run.choices import Finalist, choices
from gradpareto.bench.run.field_race import race
from gradpareto.bench.run.meter import MeteredProblem, StoreMeter, with_meter
from gradpareto.bench.run.overhead import AGAIN
from gradpareto.bench.run.racer import Racer
from gradpareto.bench.run.samples import Samples, certified
from gradpareto.bench.run.tried_setting import Tried
from gradpareto.bench.run.wall_model import WallModel
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem
from tests.bench.conftest import assert_refused
from tests.bench.learning.test_learning import silent
from tests.bench.run.test_field_race import FEW, entered, goal

PRICES = WallModel({name: (1e-6, 1e-8) for name in AGAIN})


@dataclass(frozen=True)
class EndsWithAMeter(Estimator):
    """It ends its process as soon as its calls are counted."""

    @property
    def declares(self) -> Declaration:
        return RK4.declares

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        if isinstance(problem, MeteredProblem):
            os._exit(3)
        return RK4(problem, x0, setting)


RK4 = ESTIMATORS["bptt-rk4"]


@pytest.fixture(scope="module")
def samples(cache: Path) -> Samples:
    return certified("lqr", "optimal", 4, 0, cache)


def test_who_solves_lane_by_lane_races_on_the_first_samples_and_says_so(cache: Path) -> None:
    samples = certified("lqr", "optimal", 16, 0, cache)
    asked = goal(samples, 1e-3)
    racers = race(asked, 1, silent, entered("ctpg-scipy", "ctpg"))
    found = {one.estimator: one for one in choices(racers, asked, 1, "time", PRICES)}
    assert (found["ctpg-scipy"].samples, found["ctpg"].samples) == (2, 16)
    alone = ESTIMATORS["ctpg-scipy"](
        samples.first(2).problem, samples.x0[:2], found["ctpg-scipy"].setting
    )
    error = samples.first(2).rel_error(alone.gradient)
    np.testing.assert_allclose(found["ctpg-scipy"].rel_error, error)


@pytest.mark.parametrize(("by", "cost"), [("evals", "evals"), ("memory", "stored_bytes")])
def test_choices_are_ordered_by_their_cost(samples: Samples, by: str, cost: str) -> None:
    racers = race(goal(samples, 1e-4), 1, silent, entered(*FEW))
    found = choices(racers, goal(samples, 1e-4), 2, by, PRICES, 2)  # type: ignore[arg-type]
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
    for racer, lanes in zip(racers, (4, 32), strict=True):
        assert racer.reached is not None
        estimator = ESTIMATORS[racer.name]
        found = Finalist(racer.name, estimator, racer.reached, samples, 32, PRICES).measured()
        assert found.gradient_ms == 32_000.0
        with memory_traced():
            meter = attempt(estimator, *samples.batch(lanes), found.setting).meter
        share = 32 / lanes
        assert found.calls_ms == pytest.approx(1e3 * share * PRICES.seconds(meter.batches))
        stored = 32 * (meter.stored_bytes or 0)
        assert found.stored_bytes == pytest.approx(stored, rel=0.05, abs=SLACK * share)


def test_a_choice_that_ends_its_process_has_no_measurements(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ESTIMATORS, "bptt", EndsWithAMeter())
    there = Tried(1.0, 1e-4, 90.0, 0)
    racers = [Racer(name, (there,), (2.0,), reached=there) for name in ("bptt", "ctpg")]
    lost, kept = choices(racers, goal(samples, 1e-3), 2, "evals", PRICES)
    assert np.isnan([lost.gradient_ms, lost.calls_ms, lost.stored_bytes]).all()
    assert lost.evals == 90.0
    assert kept.stored_bytes > 0


@pytest.mark.parametrize("name", ["bptt-rk4", "ctpg", "multistep_adjoint", "neural_ode"])
def test_bytes_are_traced_up_to_the_backward_pass_alone(samples: Samples, name: str) -> None:
    """Truth: what a whole gradient has stored by then; no cotangent is pulled back."""
    gradient = ESTIMATORS[name], samples.problem, samples.x0, ESTIMATORS[name].declares.tight
    attempt(*gradient)
    with memory_traced():
        whole = attempt(*gradient).meter.stored_bytes
    assert stored_bytes(*gradient) == pytest.approx(whole, rel=0.02, abs=SLACK / 4)
    with memory_traced():
        meter = StoreMeter(len(samples.x0))
        called(*gradient, 0, partial(with_meter, meter=meter))
    assert meter.f_evals.all()
    assert not meter.vjp_evals.any()


def test_a_racer_that_has_not_arrived_is_no_choice(samples: Samples) -> None:
    lost = Racer("bptt", (Tried(1.0, 0.5, 10.0, 0),), (0.0,), out=True)
    found = Tried(1e-3, 1e-4, 90.0, 0)
    there = Racer("ctpg", (found,), (2.0,), reached=found)
    chosen = choices([lost, there], goal(samples, 1e-3), 1, "evals", PRICES)
    assert [one.estimator for one in chosen] == ["ctpg"]


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
