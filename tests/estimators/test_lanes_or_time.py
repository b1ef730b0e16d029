"""The choice between few calls and few rows, against the wall model and the two methods alone."""

import numpy as np
import pytest

from gradpareto.bench.run.meter import metered
from gradpareto.bench.run.wall_model import WallModel
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.estimators.lanes_or_time import (
    CALL_A_PARAMETER,
    FEW,
    MANY,
    ROW,
    ROW_A_PARAMETER,
    LanesOrTime,
)
from gradpareto.systems import TASKS, Array, Problem

OWN = LanesOrTime()
METHODS = {OWN.few: FEW, OWN.many: MANY}
FAR = 8
"""The model knows no more of a problem than its parameters: it need not be right any nearer to the
crossing than this factor in the number of lanes."""


def batch(name: tuple[str, str], lanes: int) -> tuple[Problem, Array]:
    """A problem of which 4 samples are repeated."""
    problem, x0 = TASKS[name[0]].problem(name[1]).sample(np.random.default_rng(3), 4)
    again = np.arange(lanes) % 4
    return problem.take(again), x0[again]


def crossing(problem: Problem, tolerance: float) -> int:
    """The smallest number of lanes that are many."""
    return next(n for n in range(1, 4096) if OWN.chosen(problem, n, tolerance) == OWN.many)


def modelled(method: Estimator, problem: Problem, x0: Array, tolerance: float) -> float:
    """Seconds by the wall model, for the calls that are counted; a call costs what is stated."""
    counted = metered(problem, len(x0))
    method(counted, x0, tolerance)
    parameters = problem.policy.size
    call = METHODS[method].call + CALL_A_PARAMETER * parameters
    prices = call, ROW + ROW_A_PARAMETER * parameters
    names = {oracle for oracle, _ in counted.meter.batches}
    # The policy's values are a part of what a pullback is taken to cost.
    each = dict.fromkeys(names, prices) | {"policy_values": (0.0, 0.0)}
    return WallModel(each).seconds(counted.meter.batches)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-5])
@pytest.mark.parametrize(
    "name", [("lqr", "optimal"), ("differential_drive", "initial"), ("electric", "initial")]
)
def test_the_choice_is_the_faster_on_both_sides(name: tuple[str, str], tolerance: float) -> None:
    """Truth: the wall model's time of the calls that both methods make, as a meter counts them."""
    turn = crossing(TASKS[name[0]].problem(name[1]), tolerance)
    for lanes, chosen, other in (
        (max(1, turn // FAR), OWN.few, OWN.many),
        (turn * FAR, OWN.many, OWN.few),
    ):
        problem, x0 = batch(name, lanes)
        assert OWN.chosen(problem, lanes, tolerance) == chosen
        given = problem, x0, tolerance
        assert modelled(chosen, *given) < modelled(other, *given)


@pytest.mark.parametrize("past", [False, True])
def test_it_is_the_chosen_method_to_the_last_bit(past: bool) -> None:
    """Truth: the registered method of that name, on the smallest batch of many, or one lane less.

    A second call chooses the same.
    """
    problem = TASKS["electric"].problem("initial")
    lanes = crossing(problem, 1e-3) - (not past)
    problem, x0 = batch(("electric", "initial"), lanes)
    truth = ESTIMATORS["gauss_adjoint" if past else "picard_ladder"](problem, x0, 1e-3)
    for _ in range(2):
        found = ESTIMATORS["lanes_or_time"](problem, x0, 1e-3)
        for part in ("loss", "grad_x0", "grad_theta", "steps"):
            np.testing.assert_array_equal(getattr(found, part), getattr(truth, part))


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
def test_methods_on_both_sides_agree_within_the_tolerance(tolerance: float) -> None:
    """A lane's gradient depends on the size of its batch no more than on the tolerance."""
    problem, x0 = batch(("differential_drive", "initial"), 4)
    few, many = (method(problem, x0, tolerance).gradient for method in (OWN.few, OWN.many))
    distance = np.linalg.norm(few - many, axis=1) / np.linalg.norm(few, axis=1)
    assert (distance > 0).all()
    assert (distance < 10 * tolerance).all()


def test_more_lanes_and_looser_tolerances_favour_few_rows() -> None:
    """Truth: the order in which the two kinds of method grow."""
    problem = TASKS["quadrotor"].problem("initial")
    turns = [crossing(problem, tolerance) for tolerance in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)]
    assert turns == sorted(turns)
    # With fewer rows as well as fewer calls, the ladder is faster on any batch.
    assert OWN.chosen(problem, 10**9, 1e-9) == OWN.few
    for tolerance, turn in zip((1e-1, 1e-2), turns[:2], strict=True):
        chosen = [OWN.chosen(problem, lanes, tolerance) for lanes in range(1, 4 * turn)]
        assert chosen == [OWN.few] * (turn - 1) + [OWN.many] * (3 * turn)
