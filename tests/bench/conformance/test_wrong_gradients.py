"""No wrong gradient passes the conformance kit, whatever it is made from and declares."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gradpareto.bench.conformance.course import BREAKPOINTS
from gradpareto.bench.conformance.finding import Finding, passes
from gradpareto.bench.conformance.kit import CHECKS, run_check
from gradpareto.bench.conformance.problems import PARTS, PROBLEMS, solved
from gradpareto.bench.plugins.kinds import FunctionEstimator
from gradpareto.bench.run.validation import copied
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.reference import certify
from gradpareto.systems import Array, Problem
from tests.bench.conformance.wrong_gradients import (
    WRONG,
    Remembering,
    Wrapped,
    blind_to_one_breakpoint,
    one_stage_negated,
)

NO_ORDER = {
    "bptt": Declaration(knob="step", tight=1e-3),
    "bptt-rk4": Declaration(knob="step", tight=0.01),
    "ctpg": Declaration(knob="tolerance", tight=1e-8),
}
"""Estimators, and declarations that hold them to as little as can be declared."""
ACCURACY = (
    "limit",
    "last_step",
    "float64",
    "gradient",
    "order",
    "breakpoints",
    "lanes",
    "repeats",
)
"""The checks that can see a wrong gradient, cheap ones first."""
SEEN_LEAST = (
    "off by 1e-4",
    "x0 1 % off",
    "first lane alone",
    "context of the first",
    "time frozen",
)
"""The wrong gradients that are hardest to see: a size, a part, a lane, a context and the time."""


def first_failed(estimator: Estimator, checks: tuple[str, ...] = ACCURACY) -> Finding | None:
    """The first failed finding, if there is one; the checks after it are not run."""
    found = (run_check(check, estimator) for check in checks)
    return next((finding for finding in found if finding.status == "failed"), None)


@pytest.mark.parametrize(
    ("how", "own"), [*((how, "bptt") for how in WRONG), *((how, "ctpg") for how in SEEN_LEAST)]
)
def test_a_wrong_gradient_fails(how: str, own: str) -> None:
    """Each is made from Euler's method, whose own error hides most.

    Where the knob is a tolerance there are no checks of a step, so that those which are seen least
    are made from such an estimator too.
    """
    found = first_failed(Wrapped(own, WRONG[how], NO_ORDER[own]))
    assert found is not None
    assert found.advice
    assert not passes([found])


@pytest.mark.parametrize(
    ("how", "check"),
    [("off by 1e-4", "limit"), ("last step left out", "last_step"), ("float32 inside", "float64")],
)
def test_what_hides_behind_the_steps_is_found_by_the_check_that_is_for_it(
    how: str, check: str
) -> None:
    assert run_check(check, Wrapped("bptt", WRONG[how], NO_ORDER["bptt"])).status == "failed"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("negated", "-1, -1, -1 times it"),
        ("half", "0.5, 0.5, 0.5 times it"),
        ("theta 1 % off", "dL/dtheta of the samples is, along the true one, 1.01, 1.01, 1.01"),
        ("first lane alone", "1, 1.01, 1.01 times it"),
    ],
)
def test_the_finding_tells_what_is_wrong(how: str, told: str) -> None:
    found = run_check("gradient", Wrapped("bptt-rk4", WRONG[how], NO_ORDER["bptt-rk4"]))
    assert told in found.seen


def test_one_stage_with_the_wrong_sign_fails() -> None:
    wrong = Wrapped("bptt-rk4", one_stage_negated, NO_ORDER["bptt-rk4"])
    assert first_failed(wrong) is not None


def test_one_breakpoint_that_is_stepped_over_is_named() -> None:
    wrong = Wrapped("bptt-rk4", blind_to_one_breakpoint, NO_ORDER["bptt-rk4"])
    assert run_check("gradient", wrong).status == "passed"
    found = run_check("breakpoints", wrong)
    assert found.status == "failed"
    errors = {t: float(error) for t, error in re.findall(r"jump at ([\d.]+) ([^,]+)", found.seen)}
    assert len(errors) == len(BREAKPOINTS)
    assert max(errors, key=lambda t: errors[t]) == "0.6871"


def test_a_first_call_that_is_wrong_fails_at_once() -> None:
    found = run_check("answer", Wrapped("bptt", Remembering(after=1), NO_ORDER["bptt"]))
    assert found.status == "failed"
    assert "the first call of all gives another grad_theta" in found.seen


@pytest.mark.parametrize("own", NO_ORDER)
def test_a_result_that_is_kept_for_every_setting_fails(own: str) -> None:
    wrong = Wrapped(own, Remembering(cached={}), NO_ORDER[own])
    found = run_check("order", wrong)
    assert found.status == "failed"
    assert "an earlier call" in found.advice


def test_a_step_that_is_too_long_is_told_so() -> None:
    loose = replace(NO_ORDER["bptt"], tight=0.1)
    found = run_check("gradient", Wrapped("bptt", WRONG["half"], loose))
    assert found.status == "failed"
    right = FunctionEstimator(ESTIMATORS["bptt"], loose)
    found = run_check("gradient", right)
    assert found.status == "failed"
    assert "declare a smaller `tight`" in found.advice


def test_who_declares_to_be_exact_has_to_be() -> None:
    declared = replace(NO_ORDER["ctpg"], exact=True)
    found = run_check("exactness", FunctionEstimator(ESTIMATORS["ctpg"], declared))
    assert found.status == "failed"


STOCHASTIC = ESTIMATORS["spsa"].declares
DRAWN: dict[tuple[object, ...], Estimate] = {}
"""The estimates of all draws so far, by the estimator with its seed and all that it is given."""


def drawn(own: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """Give the right estimate of a draw, which is made once: a wrong one is made from it."""
    given = (own, problem.horizon, problem.theta.tobytes(), x0.tobytes(), setting)
    if given not in DRAWN:
        DRAWN[given] = own(problem, x0, setting)
    return copied(DRAWN[given])


@pytest.mark.parametrize("factor", [-1.0, 0.5, 0.0, 0.8])
def test_a_biased_random_estimate_fails(factor: float) -> None:
    def wrong(own, problem, x0, setting):  # type: ignore[no-untyped-def]
        good = drawn(own, problem, x0, setting)
        return replace(good, grad_x0=factor * good.grad_x0, grad_theta=factor * good.grad_theta)

    found = run_check("gradient", Wrapped("spsa", wrong, STOCHASTIC))
    assert found.status == "failed"


def test_a_random_estimate_without_bias_passes_and_its_power_is_told() -> None:
    found = run_check("gradient", Wrapped("spsa", drawn, STOCHASTIC))
    assert found.status == "passed"
    assert "would have been found with a probability of 90 %" in found.seen


def test_declaring_to_be_random_excuses_no_wrong_gradient() -> None:
    declared = replace(NO_ORDER["bptt-rk4"], stochastic=True)
    seeded = Wrapped("bptt-rk4", WRONG["1 % off"], declared)
    assert run_check("gradient", seeded).status == "failed"


def test_a_random_estimate_too_rough_to_judge_fails_and_says_so() -> None:
    rough = replace(STOCHASTIC, tight=16.0)
    found = run_check("gradient", FunctionEstimator(replace(ESTIMATORS["spsa"], tight=16.0), rough))
    assert found.status == "failed"


def test_more_rollouts_have_to_help() -> None:
    def wrong(own, problem, x0, setting):  # type: ignore[no-untyped-def]
        return drawn(own, problem, x0, 64.0)

    assert run_check("order", Wrapped("spsa", wrong, STOCHASTIC)).status == "failed"
    assert run_check("order", Wrapped("spsa", drawn, STOCHASTIC)).status == "passed"


@pytest.mark.parametrize("name", ["pendulum", "jumps at all of them", "jump of the dynamics"])
def test_the_kits_own_truth_is_the_certified_one(name: str) -> None:
    known = solved(name)
    reference = certify(known.problem, known.x0)
    off = np.linalg.norm(known.gradient - reference.gradient, axis=1)
    assert (off <= 1e-13 * np.linalg.norm(reference.gradient, axis=1)).all()
    assert known.loss == pytest.approx(reference.loss, rel=1e-13)


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_part_of_the_truth_vanishes(name: str) -> None:
    known = solved(name)
    sizes = {part: np.linalg.norm(true, axis=1).min() for part, true in known.true.items()}
    assert set(sizes) == set(PARTS)
    assert min(sizes.values()) > 0.01 * max(sizes.values())


@pytest.mark.parametrize("own", NO_ORDER)
def test_the_right_ones_pass_with_as_little_declared(own: str) -> None:
    """Euler's method takes 7,000 steps on a problem, and the README's own takes them all.

    It is held to the same bounds there, in the checks named here.
    """
    taken = {"gradient", "breakpoints"} if own == "bptt" else set()
    right = FunctionEstimator(ESTIMATORS[own], NO_ORDER[own])
    found = [run_check(check, right) for check in CHECKS if check not in taken]
    assert passes(found), [one for one in found if one.status == "failed"]
