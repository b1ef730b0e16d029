"""A check's initial states and parameters are fresh: nobody can have learned them by heart."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from gradpareto.bench.conformance.kit import run_check
from gradpareto.bench.conformance.probes import SPREAD, probes
from gradpareto.bench.conformance.problems import PROBLEMS, sampled, solved, swing
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem
from tests.bench.conformance.test_wrong_gradients import ACCURACY, NO_ORDER, SEEN_LEAST
from tests.bench.conformance.wrong_gradients import WRONG, Wrapped


@dataclass(frozen=True)
class Remembering(Estimator):
    """It has a table of the gradients at the initial states that the code shows, and nothing else.

    Where the table has none, it takes the entry of the nearest.
    """

    table: dict[tuple[int, int], list[tuple[Array, Estimate]]] = field(default_factory=dict)
    declares = Declaration(knob="step", tight=1e-3)

    @classmethod
    def of_what_is_published(cls) -> "Remembering":
        found = cls()
        for name in PROBLEMS:
            known = solved(name)
            width, steps = known.x0.shape[1], np.ones(len(known.x0), dtype=int)
            gradient = known.gradient[:, :width], known.gradient[:, width:]
            entry = known.x0, Estimate(known.loss, *gradient, steps)
            found.table.setdefault((width, known.problem.policy.size), []).append(entry)
        return found

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        entries = self.table[x0.shape[1], problem.policy.size]
        return min(entries, key=lambda entry: float(np.abs(entry[0] - x0).max()))[1]


def test_what_knows_the_published_gradients_fails_on_fresh_problems() -> None:
    learned = Remembering.of_what_is_published()
    known = solved("pendulum")
    assert known.worst_error(learned(known.problem, known.x0, 1.0)) == 0
    for seed in range(5):
        with probes(seed):
            fresh = solved("pendulum")
        # More than the checks allow of any estimator (accuracy.CAP), by far.
        assert fresh.worst_error(learned(fresh.problem, fresh.x0, 1.0)) > 5e-3
    assert run_check("gradient", learned, seed=3).status == "failed"


@pytest.mark.parametrize("how", SEEN_LEAST)
def test_a_wrong_gradient_fails_on_fresh_problems_too(how: str) -> None:
    wrong = Wrapped("ctpg", WRONG[how], NO_ORDER["ctpg"])
    found = (run_check(check, wrong, seed=7) for check in ACCURACY)
    assert any(finding.status == "failed" for finding in found)


def test_problems_are_moved_by_the_seed_and_by_no_more_than_they_should() -> None:
    problem, x0 = sampled(PROBLEMS["quadrotor"]())
    moved = []
    for seed in (1, 2, 1):
        with probes(seed):
            other, there = sampled(PROBLEMS["quadrotor"]())
        for one, two in ((problem.theta, other.theta), (x0, there)):
            off = np.abs(two - one)
            assert off.max() > 0
            assert (off <= SPREAD * np.abs(one) * (1 + 1e-12)).all()
        moved.append(there)
    np.testing.assert_array_equal(moved[0], moved[2])
    assert not np.array_equal(moved[0], moved[1])
    assert np.array_equal(sampled(PROBLEMS["quadrotor"]())[1], x0)


def test_known_gradients_are_kept_apart_by_seed() -> None:
    before = swing()
    with probes(1):
        assert not np.array_equal(swing().x0, before.x0)
    assert swing() is before


def test_a_right_estimator_passes_on_fresh_problems() -> None:
    for check in ACCURACY:
        found = run_check(check, ESTIMATORS["bptt-rk4"], seed=1)
        assert found.status in ("passed", "noted"), found


def test_the_command_prints_its_seed_and_takes_it(call: Callable) -> None:
    first = call("check", "bptt-rk4", "--json")
    (row,) = json.loads(first.stdout)
    assert f"seed {row['seed']} " in first.stderr
    again = call("check", "bptt-rk4", "--json", "--seed", row["seed"])
    assert json.loads(again.stdout) == json.loads(first.stdout)
