"""The declared cost of an estimator is what it takes: by it, it sees fewer samples in a sweep."""

import numpy as np
import pytest

from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.loosest_setting import from_loose_to_tight
from gradpareto.bench.run.meter import COUNTED_IN, Meter
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Array, Problem

LANES = 12


def drawn() -> tuple[Problem, Array]:
    problem = TASKS["differential_drive"].problem("initial")
    return problem.sample(np.random.default_rng(0), LANES)


def first_estimate(name: str) -> tuple[float, Meter]:
    """Return the loosest setting with an estimate for all lanes, and what it takes."""
    problem, x0 = drawn()
    for setting in from_loose_to_tight(ESTIMATORS[name], problem):
        found = attempt(ESTIMATORS[name], problem, x0, setting, allowance=2.0**13)
        if found.status == "ok":
            return setting, found.meter
    raise AssertionError("no setting has an estimate")


def calls(meter: Meter) -> int:
    """Return the number of calls that count."""
    return sum(made for (oracle, _), made in meter.batches.items() if oracle in COUNTED_IN)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_who_solves_lane_by_lane_says_so(name: str) -> None:
    """It calls oracles for a batch about as often as for the lanes, each alone.

    `solve_bvp` does so half as often, since its first guess is made for all lanes at once.
    """
    setting, meter = first_estimate(name)
    problem, x0 = drawn()
    alone = 0
    for lane in range(LANES):
        at = np.array([lane])
        one = attempt(ESTIMATORS[name], problem.take(at), x0[at], setting)
        alone += calls(one.meter)
    one_by_one = calls(meter) > 0.4 * alone
    assert ESTIMATORS[name].declares.per_lane == one_by_one


@pytest.mark.parametrize("name", ESTIMATORS)
def test_whose_cost_grows_with_the_parameters_says_so(name: str) -> None:
    """It takes more evaluations than there are parameters, in its loosest setting already."""
    _, meter = first_estimate(name)
    grows = np.median(meter.evals) > drawn()[0].policy.size
    assert ESTIMATORS[name].declares.cost_grows_with_parameters == grows
