"""Verdicts on records whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradpareto.bench.judge.describe import describe
from gradpareto.bench.judge.frontier import Curve, Front, front
from gradpareto.bench.judge.matrix import judge_pairs, verdict_matrix
from gradpareto.bench.judge.pairs import ahead, answer
from gradpareto.bench.judge.table import sentences
from gradpareto.bench.judge.verdict import NothingToCompare, beaten, compare, epsilon, judge_all
from tests.bench.conftest import MakeRecords, record, table


def test_a_constant_factor_is_the_ratio_everywhere(power_law: MakeRecords) -> None:
    slow, fast = power_law("bptt", 10.0, 2), power_law("ctpg", 10.0 / 9, 2)
    verdict = compare(pd.concat([slow, fast]), "ctpg", "bptt", tightest=1e-5)
    assert verdict.answer == "dominates"
    assert verdict.ratio == pytest.approx(1 / 3, rel=1e-6)
    assert verdict.ratio_low <= verdict.ratio <= verdict.ratio_high
    assert verdict.samples_dominated == verdict.samples == 8
    assert verdict.epsilon < 1
    back = compare(pd.concat([slow, fast]), "bptt", "ctpg", tightest=1e-5)
    assert back.answer == "is dominated"
    assert back.ratio == pytest.approx(3, rel=1e-6)
    assert back.epsilon > 1
    assert back.beaten == 0
    assert verdict.beaten == verdict.points > 0


def test_lines_that_cross_are_neither_and_the_ranges_say_where(power_law: MakeRecords) -> None:
    low, high = power_law("bptt", 10.0, 1), power_law("bptt-rk4", 1e4, 3)
    # 10 / n = 1e4 / n^3 at n = 31.6, error 0.316: beyond the range; take a closer crossing.
    high = power_law("bptt-rk4", 1e7, 3)  # 10 / n = 1e7 / n^3 at n = 1000, error 1e-2
    verdict = compare(pd.concat([low, high]), "bptt-rk4", "bptt", loosest=0.1, tightest=1e-3)
    assert verdict.answer == "neither"
    assert [part.better for part in verdict.ranges if part.better] == ["bptt", "bptt-rk4"]
    crossing = verdict.ranges[0].tightest
    assert crossing == pytest.approx(1e-2, rel=0.3)
    narrower = compare(pd.concat([low, high]), "bptt-rk4", "bptt", loosest=5e-3, tightest=1e-3)
    assert narrower.answer == "dominates"


def test_reaching_an_accuracy_beats_never_reaching_it(power_law: MakeRecords) -> None:
    cheap = power_law("bptt", 1.0, 2, rungs=5)  # stops at 6e-5
    far = power_law("ctpg", 1.0 + 1e-6, 2, rungs=12)  # as good, no further along, but goes on
    verdict = compare(pd.concat([cheap, far]), "bptt", "ctpg")
    assert [part.better for part in verdict.ranges if part.better] == ["ctpg"]
    assert verdict.answer == "is dominated"
    assert verdict.tightest < 1e-6


def test_failures_never_decide_and_a_point_at_the_floor_attains_all(power_law: MakeRecords) -> None:
    both = pd.concat([power_law("bptt", 10.0, 2), power_law("ctpg", 1.0, 2)], ignore_index=True)
    sober = compare(both, "ctpg", "bptt", tightest=1e-4)
    failed = table([record("bptt", 98.0, s, 1, 1e-9) for s in range(8)]).assign(status="diverged")
    assert compare(pd.concat([both, failed]), "ctpg", "bptt", tightest=1e-4) == sober
    exact = table([record("bptt", 99.0, s, 1, 1e-16) for s in range(8)])
    with_exact = compare(pd.concat([both, exact]), "ctpg", "bptt", tightest=1e-4)
    assert (sober.answer, with_exact.answer) == ("dominates", "is dominated")


def test_below_the_floor_nobody_is_said_to_fail(power_law: MakeRecords) -> None:
    """An estimator that jumps from 4e-9 to beneath the floor does reach what lies between.

    With 50,000 evaluations, it does so before the other, which needs 57,000 for 3e-9.
    """
    slow = power_law("bptt", 10.0, 2, rungs=25)
    fast = power_law("ctpg", 1.0, 2, rungs=12)
    floor = table([record("ctpg", 0.0, s, 5 * 10**4, 1e-16) for s in range(8)])
    verdict = compare(pd.concat([slow, fast, floor], ignore_index=True), "ctpg", "bptt")
    assert verdict.answer == "dominates"
    without = compare(pd.concat([slow, fast], ignore_index=True), "ctpg", "bptt")
    assert without.answer == "neither"


def test_the_samples_are_paired(power_law: MakeRecords) -> None:
    """Only common samples count: an estimator measured on easier ones gains nothing."""
    wide, narrow = power_law("bptt", 10.0, 2, samples=6), power_law("ctpg", 5.0, 2, samples=2)
    assert compare(pd.concat([wide, narrow]), "ctpg", "bptt", tightest=1e-4).samples == 2
    with pytest.raises(ValueError, match="common sample"):
        compare(pd.concat([wide, narrow.assign(sample=9)]), "ctpg", "bptt")


def test_a_weight_can_turn_a_verdict(power_law: MakeRecords) -> None:
    cheap_f = power_law("ctpg", 10.0, 2)
    cheap_f["f_evals"], cheap_f["vjp_evals"] = cheap_f.evals * 3 // 4, cheap_f.evals // 4
    other = power_law("bptt", 9.0, 2)
    both = pd.concat([cheap_f, other])
    assert compare(both, "ctpg", "bptt", tightest=1e-4, weight=1).answer == "is dominated"
    assert compare(both, "ctpg", "bptt", tightest=1e-4, weight=3).answer == "dominates"


ERRORS = st.integers(-72, -16).map(lambda k: 10 ** (k / 8))
POINTS = st.lists(st.tuples(st.integers(1, 10**5), ERRORS), min_size=1, max_size=20)
FRONTS = POINTS.map(lambda points: front(*np.array(points, dtype=float).T))


def joined(points: Front) -> Curve:
    """The curve through the points of a front."""
    return Curve(points.evals, points.error, np.full(len(points.evals) - 1, True))


@given(FRONTS)
def test_epsilon_of_a_front_against_itself_is_one(some: Front) -> None:
    assert epsilon(joined(some), some) == pytest.approx(1, rel=1e-9)
    assert beaten(joined(some), some) == 0


@given(FRONTS, st.floats(1.1, 50))
def test_epsilon_of_a_front_scaled_on_both_axes_is_the_factor(some: Front, factor: float) -> None:
    worse = Front(some.evals * factor, some.error * factor)
    assert epsilon(joined(worse), some) == pytest.approx(factor, rel=1e-9)
    assert epsilon(joined(some), worse) == pytest.approx(1 / factor, rel=1e-9)
    assert beaten(joined(some), worse) == len(worse.evals)
    assert beaten(joined(worse), some) == 0


def test_a_break_turns_a_verdict(power_law: MakeRecords) -> None:
    """A slower estimator is ahead where the faster one has failed between its two ends."""
    slow, fast = power_law("bptt", 2.0, 2), power_law("ctpg", 1.0, 2)
    assert compare(pd.concat([slow, fast]), "ctpg", "bptt", tightest=1e-5).answer == "dominates"
    fast.loc[fast.setting.isin([1 / 2**2, 1 / 2**3, 1 / 2**4]), "status"] = "diverged"
    broken = compare(pd.concat([slow, fast]), "ctpg", "bptt", tightest=1e-5)
    assert broken.answer == "neither"
    ahead_of = [part for part in broken.ranges if part.better == "bptt"]
    # the last of ctpg's before the break has 16 evaluations, the first after it 256
    assert ahead_of[0].loosest == pytest.approx(1 / 16**2, rel=0.4)
    assert ahead_of[0].tightest == pytest.approx(2 / 256**2, rel=0.4)


def without_gradient(records: pd.DataFrame) -> pd.DataFrame:
    return records.assign(status="zero", rel_error=np.nan, abs_error=0.0)


def test_a_sample_whose_gradient_is_zero_changes_no_verdict(power_law: MakeRecords) -> None:
    both = pd.concat([power_law("bptt", 10.0, 2), power_law("ctpg", 1.0, 2)], ignore_index=True)
    sober = compare(both, "ctpg", "bptt", tightest=1e-4)
    zero = without_gradient(both[both["sample"] == 0].assign(sample=99))
    failed = zero.estimator.eq("ctpg") & zero.setting.lt(0.1)
    zero.loc[failed, "status"] = "raised"  # the records of the others tell that it is zero
    everything = pd.concat([both, zero], ignore_index=True)
    assert compare(everything, "ctpg", "bptt", tightest=1e-4) == sober
    assert judge_pairs(everything, ["ctpg", "bptt"]) == judge_pairs(both, ["ctpg", "bptt"])
    third = zero[zero.estimator == "bptt"].assign(estimator="bptt-rk4")
    told_by_a_third = pd.concat([both, zero.assign(status="raised"), third], ignore_index=True)
    assert compare(told_by_a_third, "ctpg", "bptt", tightest=1e-4) == sober


def test_without_a_gradient_on_any_sample_there_is_nothing_to_compare(
    power_law: MakeRecords,
) -> None:
    both = pd.concat([power_law("bptt", 10.0, 2), power_law("ctpg", 1.0, 2)], ignore_index=True)
    with pytest.raises(NothingToCompare, match=r"lqr \(optimal\).* zero"):
        compare(without_gradient(both), "ctpg", "bptt")
    assert judge_pairs(without_gradient(both), ["ctpg", "bptt"]) == {}


@pytest.mark.parametrize("uncertainty", [0.0, 1e-15])
def test_two_that_are_exact_get_no_verdict(power_law: MakeRecords, uncertainty: float) -> None:
    both = pd.concat([power_law("bptt", 10.0, 2), power_law("ctpg", 1.0, 2)], ignore_index=True)
    exact = both.assign(rel_error=0.0, abs_error=0.0, reference_uncertainty=uncertainty)
    verdicts = judge_all(exact, [("lqr", "optimal")], "ctpg", "bptt")
    (line,) = describe(verdicts).splitlines()
    assert "no verdict" in line
    assert "ctpg and of bptt" in line
    assert verdicts[1.0][0].answer == "not enough evidence"
    assert verdicts[1.0][0].loosest == verdicts[1.0][0].tightest  # no ladder down to zero


def test_two_that_reach_nothing_get_no_verdict(power_law: MakeRecords) -> None:
    both = pd.concat([power_law("bptt", 10.0, 2), power_law("ctpg", 1.0, 2)], ignore_index=True)
    sentence = compare(both.assign(status="raised"), "ctpg", "bptt").sentence()
    assert "neither of the two reaches a relative error of 0.01" in sentence


RATIOS = st.sampled_from([-np.inf, -1.0, 0.0, 1.0, np.inf, np.nan])


@given(st.lists(st.lists(RATIOS, min_size=3, max_size=3), min_size=1, max_size=6))
def test_turning_the_comparison_round_turns_the_answer_round(rows: list) -> None:
    ratios = np.array(rows)
    opposite = {"dominates": "is dominated", "is dominated": "dominates", "neither": "neither"}
    assert answer(ahead(-ratios)) == opposite[answer(ahead(ratios))]


def test_all_pairs_at_once_agree_with_compare(power_law: MakeRecords) -> None:
    both = pd.concat(
        [power_law("bptt", 10.0, 1), power_law("bptt-rk4", 1e6, 3), power_law("ctpg", 3.0, 4)]
    )
    names = ["bptt", "bptt-rk4", "ctpg"]
    found = judge_pairs(both, names)
    for one in names:
        for other in names:
            if one != other:
                verdict = compare(both, one, other)
                assert found[one, other][:2] == (verdict.answer, pytest.approx(verdict.ratio))
    (sentence,) = sentences(both, verdict_matrix(both))
    assert "ctpg dominates all others" in sentence or "ctpg dominates bptt" in sentence
