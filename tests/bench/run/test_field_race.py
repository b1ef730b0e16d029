"""The race to an error."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.run.field_race import (
    BEHIND,
    PLACES,
    Goal,
    advanced,
    coarse,
    crossing,
    likely_first,
    race,
    refined,
    without_the_last,
)
from gradpareto.bench.run.loosest_setting import loosest_setting, rung
from gradpareto.bench.run.racer import QUARTER, Racer
from gradpareto.bench.run.samples import Samples, certified
from gradpareto.bench.run.tried_setting import Tried
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.estimators.declaration import Knob
from gradpareto.systems import Array, Problem
from tests.bench.learning.test_learning import silent
from tests.bench.run.test_racer import with_evals

FEW = ("bptt", "bptt-rk4", "ctpg", "gauss_legendre-4", "spsa", "finite_difference")


@pytest.fixture(scope="module")
def samples(cache: Path) -> Samples:
    return certified("lqr", "optimal", 4, 0, cache)


NOBODY = (np.inf, np.inf)
"""The bounds of a race in which nobody has arrived."""


def entered(*names: str) -> list[Racer]:
    return [Racer(name) for name in names]


def goal(samples: Samples, error: float, most_evals: float = 2.0**13) -> Goal:
    return Goal("lqr", samples, error, most_evals, 1e-3)


def rel_error(samples: Samples, name: str, setting: float) -> float:
    estimate = ESTIMATORS[name](samples.problem, samples.x0, setting)
    return samples.rel_error(estimate.gradient)


@dataclass(frozen=True)
class Broken(Estimator):
    """Raises at once, whatever the setting, before it has counted a call."""

    knob: Knob

    @property
    def declares(self) -> Declaration:
        return Declaration(knob=self.knob, tight=1e-3)

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        raise ValueError("not on this system")


@pytest.mark.parametrize("knob", ["step", "tolerance", "rollouts"])
def test_an_estimator_that_always_fails_is_given_up(samples: Samples, knob: Knob) -> None:
    found = advanced(Racer("broken"), Broken(knob), goal(samples, 1e-6), 2.0**13, NOBODY)
    assert found.out
    assert found.reached is None
    assert found.closest == np.inf
    assert loosest_setting(Broken(knob), samples, 1e-6) is None


def test_each_that_arrives_does_so_with_the_error_that_it_says(samples: Samples) -> None:
    racers = race(goal(samples, 1e-6), 2, silent, entered(*FEW))
    there = {one.name: one.reached for one in racers if one.reached}
    assert "gauss_legendre-4" in there
    for name, reached in there.items():
        assert reached.rel_error <= 1e-6
        np.testing.assert_allclose(rel_error(samples, name, reached.setting), reached.rel_error)
    best = min(one.evals for one in there.values())
    for one in racers:
        if not one.reached:  # it cannot have won: it had spent more, or had nothing finer
            assert one.out
            next_one = one.expected(one.rungs[-1] + QUARTER)
            assert next_one > BEHIND * best or one.name == "spsa"


def test_no_setting_of_the_winner_between_its_last_two_is_looser(samples: Samples) -> None:
    """Truth: every number of steps between, by brute force, to within the refinement."""
    (racer,) = race(goal(samples, 1e-6), 1, silent, entered("bptt-rk4"))
    assert racer.reached is not None
    horizon, count = samples.problem.horizon, 1
    while rel_error(samples, "bptt-rk4", horizon / count) > 1e-6:
        count += 1
    found = horizon / racer.reached.setting
    assert count <= round(found) <= np.ceil(2**0.25 * count) + 1


def test_the_race_is_the_same_with_any_number_of_workers(samples: Samples) -> None:
    one, two = (
        race(goal(samples, 1e-4, 2**12), workers, silent, entered(*FEW)) for workers in (1, 2)
    )
    assert one == two


def test_a_race_that_goes_on_to_a_smaller_error_ends_as_one_of_its_own(samples: Samples) -> None:
    names = ("bptt-rk4", "bptt-dop853", "ctpg", "ctpg-dop853", "gauss_adjoint")
    before = race(goal(samples, 1e-3), 1, silent, entered(*names))
    going_on = race(goal(samples, 1e-7), 1, silent, before)
    anew = race(goal(samples, 1e-7), 1, silent, entered(*names))
    assert {one.name: one.reached for one in going_on} == {one.name: one.reached for one in anew}
    assert sum(one.reached is not None for one in anew) >= 2, [one.tried for one in anew]


def test_who_no_longer_comes_closer_is_out_of_the_race(samples: Samples) -> None:
    """Collocation of order 8 comes to rounding errors long before its calls are spent."""
    (racer,) = race(goal(samples, 1e-30, 2**16), 1, silent, entered("gauss_legendre-4"))
    assert racer.out
    assert racer.spent < 2**14
    assert min(one.rel_error for one in racer.tried) < 1e-13


def arrived(name: str, evals: float) -> Racer:
    return Racer(name, reached=Tried(1.0, 1e-6, evals, 0))


def test_those_that_are_likely_to_arrive_first_go_first(samples: Samples) -> None:
    """Order 4 needs more than order 8 from the same error; who has tried once is not foreseen."""
    first = Tried(1.0, 1e-2, 50.0, 0)
    racers = [
        Racer("bptt", (first,), (0.0,)),
        Racer("bptt-rk4", (first, Tried(0.5, 1e-2 / 2**4, 100.0, 0)), (0.0, 1.0)),
        Racer("bptt-dop853", (first, Tried(0.5, 1e-2 / 2**8, 100.0, 0)), (0.0, 1.0)),
        Racer("ctpg", (first, first), (0.0, 1.0)),
        arrived("there", 10.0),
    ]
    one_place = replace(goal(samples, 1e-9), places=1)
    sets = likely_first({one.name: one for one in racers}, one_place)
    assert [[one.name for one in some] for some in sets] == [
        ["bptt-dop853"],
        ["bptt-rk4", "bptt"],
        ["ctpg"],
    ]


def test_of_those_not_foreseen_who_solves_lane_by_lane_goes_last(samples: Samples) -> None:
    names = ("ctpg-scipy", "bptt", "ctpg")
    spent = {"ctpg-scipy": 1.0, "bptt": 9.0, "ctpg": 5.0}
    racers = {name: replace(with_evals(spent[name]), name=name) for name in names}
    (order,) = likely_first(racers, replace(goal(samples, 1e-9), places=3))
    assert [one.name for one in order] == ["ctpg", "bptt", "ctpg-scipy"]


@pytest.mark.parametrize(("rel_error", "out"), [(0.4, False), (0.6, True), (9.0, True)])
def test_who_has_nothing_to_show_goes_on_only_if_it_can_be_first(
    samples: Samples, rel_error: float, out: bool
) -> None:
    """The next quarter takes 195 evaluations: fewer than the last place, more than the first."""
    racer, rk4 = with_evals(90.0, 180.0, rel_error=rel_error), ESTIMATORS["bptt-rk4"]
    asked = goal(samples, 1e-6)
    assert advanced(racer, rk4, asked, 1.0, (190.0, 1000.0)) == replace(racer, out=out)
    assert advanced(racer, rk4, asked, 1.0, (220.0, 1000.0)) == racer


@pytest.mark.parametrize(
    ("level", "first", "stands"), [(300.0, np.inf, 1), (300.0, 150.0, 2), (230.0, 150.0, 1)]
)
def test_strides_are_shorter_once_somebody_has_arrived(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, level: float, first: float, stands: int
) -> None:
    """A stride takes 400 evaluations; a shorter one fits in a round, unless it gains nothing."""
    monkeypatch.setattr(
        "gradpareto.bench.run.field_race.try_setting",
        lambda estimator, _, setting, most: Tried(setting, 0.3, 0.95 * level, 0),
    )
    racer, rk4 = with_evals(50.0, 200.0, rel_error=0.4), ESTIMATORS["bptt-rk4"]
    racer = replace(racer, tried=racer.tried[-1:], rungs=racer.rungs[-1:])
    found = advanced(racer, rk4, goal(samples, 1e-9), level, (first, 1e4))
    assert len(found.tried) == stands
    assert not found.out


def test_the_last_that_arrives_is_refined_too(samples: Samples) -> None:
    (alone,) = race(goal(samples, 1e-3), 1, silent, entered("ctpg"))
    assert alone.reached is not None
    assert alone.refined


def test_seconds_do_not_tell_settings_apart() -> None:
    slow, quick = (Tried(1.0, 0.1, 9.0, 0, seconds=seconds) for seconds in (8.0, 0.1))
    assert slow == quick
    assert Racer("bptt", (slow, quick)).seconds == pytest.approx(8.1)


POWER_LAW, CLIFF = (lambda at: 10.0**-at), (lambda at: 0.9 if at < 7.3 else 1e-12)


@pytest.mark.parametrize(("errors", "most"), [(POWER_LAW, 2), (CLIFF, 8)])
def test_refining_finds_the_loosest_quarter_in_few_settings(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, errors: Callable, most: int
) -> None:
    """Truth: every quarter between, tried one by one."""
    ctpg, asked, settings = ESTIMATORS["ctpg"], goal(samples, 10**-6.6), []

    def tried(at: float) -> Tried:
        return Tried(rung(ctpg, samples.problem, at), errors(at), 100 * 1.4**at, 0)

    def try_setting(estimator: Estimator, _: Samples, setting: float, most: float) -> Tried:
        settings.append(setting)
        return tried(-1 - np.log10(setting))

    monkeypatch.setattr("gradpareto.bench.run.field_race.try_setting", try_setting)
    racer = Racer("ctpg", (tried(5.0), tried(9.0)), (5.0, 9.0))
    quarters = np.arange(5.0, 9.0, QUARTER)
    loosest = next(at for at in quarters if errors(at) <= asked.error)
    found = refined(racer, ctpg, asked).reached
    assert found is not None
    assert found.setting == rung(ctpg, samples.problem, loosest)
    assert len(settings) <= most


def test_an_error_is_crossed_on_a_line_of_logarithms() -> None:
    assert crossing(1e-2, 1e-6, 1e-3) == pytest.approx(0.25)
    for missed, met in ((np.inf, 1e-6), (1e-2, 0.0), (1e-3, 1e-3)):
        assert crossing(missed, met, 1e-3) == 0.5


def test_an_iteration_that_ends_at_its_limit_is_out_of_the_race(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails on three rungs, with the same evaluations; fixed steps that fail go on."""

    def at_its_limit(estimator: Estimator, _: Samples, setting: float, most: float) -> Tried:
        return Tried(setting, np.inf, 700.0, 4, "no convergence")

    monkeypatch.setattr("gradpareto.bench.run.field_race.try_setting", at_its_limit)
    tried = {
        name: advanced(Racer(name), ESTIMATORS[name], goal(samples, 1e-6), 1e9, NOBODY).tried
        for name in ("spectral", "bptt-rk4")
    }
    assert len(tried["spectral"]) == 3
    assert len(tried["bptt-rk4"]) > 5


def test_only_who_can_have_a_place_is_refined() -> None:
    """The first has arrived with 100: of the others one missed the error with less, one not."""
    first = replace(arrived("first", 100.0), refined=True)
    near, far = (
        replace(
            arrived(name, 150.0), tried=(Tried(1.0, 0.1, missed, 0), Tried(0.5, 1e-6, 150.0, 0))
        )
        for name, missed in (("near", 99.0), ("far", 101.0))
    )
    there = {one.name: one for one in (first, near, far)}
    assert coarse(there, 1) == [near]
    assert coarse(there, 2) == [near, far]


def test_who_can_have_no_place_is_given_up() -> None:
    """The places are taken by those with 100 to 111 evaluations, the next with 112 or more."""
    there = [arrived(str(place), 100.0 + place) for place in range(PLACES)]
    going = [
        Racer(f"{spent}", (Tried(1.0, 0.1, spent, 0),), (0.0,)) for spent in (50.0, 111.0, 112.0)
    ]
    found = without_the_last({one.name: one for one in [*there, *going]}, PLACES)
    assert [name for name, one in found.items() if one.out] == ["112.0"]
    fewer = without_the_last({one.name: one for one in [*there[1:], *going]}, PLACES)
    assert not any(one.out for one in fewer.values())


def test_a_racer_waits_for_the_round_in_which_its_next_setting_fits(samples: Samples) -> None:
    """RK4's evaluations are known: a stride multiplies them by 4, and then by 2."""
    racer = Racer("bptt-rk4")
    for level, stride in ((32.0, 4), (64.0, 4), (1000.0, 2)):
        racer = advanced(racer, ESTIMATORS["bptt-rk4"], goal(samples, 1e-12), level, NOBODY)
        assert level / stride < racer.spent <= level
        assert not racer.out


def test_who_takes_longer_than_a_round_has_ends_its_own_race(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that take no time leave a round what is added for all else."""
    monkeypatch.setattr("gradpareto.bench.run.field_race.SECONDS", 1e-4)
    patient = goal(samples, 1e-1)
    hurried = replace(patient, call_seconds=0.0)
    (racer,) = race(hurried, 1, silent, entered("finite_difference"))
    assert racer.out
    assert not racer.tried
    (racer,) = race(patient, 1, silent, entered("finite_difference"))
    assert racer.tried
