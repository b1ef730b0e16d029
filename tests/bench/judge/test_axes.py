"""Verdicts on bytes and time, over several problems, and on an error that no longer falls."""

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.axes import AXES, cost_evidence
from gradpareto.bench.judge.describe import describe, summary
from gradpareto.bench.judge.evidence import Rule, Standing
from gradpareto.bench.judge.over_problems import summed
from gradpareto.bench.judge.paired import LADDER
from gradpareto.bench.judge.stalled import stands, stops_at
from gradpareto.bench.judge.verdict import compare, judge_all
from tests.bench.conftest import MakeRecords


def both(power_law: MakeRecords, new: dict[str, float], spread: float = 0.0) -> pd.DataFrame:
    """Two alike laws, whose costs are multiples of the evaluations: BASELINE's of one, NEW's of
    `new`."""
    parts = []
    for name, factors in (("ctpg", new), ("bptt", {})):
        own = power_law(name, 10.0, 2)
        columns = {
            AXES[axis].column: factors.get(axis, 1.0) * own.evals.astype(float) for axis in AXES
        }
        own = own.assign(**columns)
        parts.append(own.assign(wall_ratio_spread=spread * own.wall_ratio))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(
    ("factor", "answer"),
    [(0.5, "dominates"), (2.0, "is dominated"), (1.01, "tied"), (0.99, "tied"), (1.0, "tied")],
)
def test_a_cost_that_is_a_multiple(
    power_law: MakeRecords, axis: str, factor: float, answer: str
) -> None:
    """Truth: NEW's cost is a multiple of BASELINE's at every error."""
    found = cost_evidence(both(power_law, {axis: factor}), "ctpg", "bptt", axis, LADDER)
    assert found.standing.answer == answer
    assert found.ratio == pytest.approx(factor)
    assert found.targets > 30
    mirrored = cost_evidence(both(power_law, {axis: factor}), "bptt", "ctpg", axis, LADDER)
    assert (mirrored.ahead, mirrored.behind) == (found.behind, found.ahead)
    assert mirrored.ratio == pytest.approx(1 / factor)


def test_times_whose_spreads_overlap_are_not_told_apart(power_law: MakeRecords) -> None:
    """A factor of 0.8, with spreads of a half: the slowest of NEW is above BASELINE's fastest."""
    near = both(power_law, {"time": 0.8}, spread=0.5)
    assert cost_evidence(near, "ctpg", "bptt", "time", LADDER).standing == Standing(
        not_behind=False, not_ahead=False, ahead=False, behind=False
    )
    far = both(power_law, {"time": 0.3}, spread=0.5)
    assert cost_evidence(far, "ctpg", "bptt", "time", LADDER).standing.answer == "dominates"


def test_the_margin_decides_what_is_alike(power_law: MakeRecords) -> None:
    records = both(power_law, {"stored": 1.05})
    assert compare(records, "ctpg", "bptt", axes=("stored",)).answer == "is dominated"
    wide = Rule(margin=0.1)
    assert compare(records, "ctpg", "bptt", axes=("stored",), rule=wide).answer == "tied"


@pytest.mark.parametrize(
    ("stored", "answer"), [(1.0, "tied"), (0.5, "dominates"), (2.0, "is dominated")]
)
def test_two_costs_together(power_law: MakeRecords, stored: float, answer: str) -> None:
    """They are tied in evaluations, so that the bytes decide."""
    records = both(power_law, {"stored": stored})
    found = compare(records, "ctpg", "bptt", axes=("evals", "stored"))
    assert found.answer == answer
    assert "evaluations and stored bytes together" in found.sentence()
    against = compare(records, "ctpg", "bptt", axes=("evals", "stored", "time"))
    assert against.answer == answer
    one_each = both(power_law, {"stored": 0.5, "time": 2.0})
    assert compare(one_each, "ctpg", "bptt", axes=("stored", "time")).answer == "neither"


def test_a_cost_that_was_not_measured_decides_nothing(power_law: MakeRecords) -> None:
    """Memory is not traced at the finest settings: an error that these alone reach is left out."""
    records = both(power_law, {"stored": 0.5})
    half = records.setting < np.median(records.setting.unique())
    seen = cost_evidence(records, "ctpg", "bptt", "stored", LADDER)
    records.loc[half & (records.estimator == "bptt"), "stored_bytes"] = np.nan
    found = cost_evidence(records, "ctpg", "bptt", "stored", LADDER)
    assert 0 < found.targets < seen.targets
    assert found.standing.answer == "dominates"
    nothing = cost_evidence(records.assign(stored_bytes=np.nan), "ctpg", "bptt", "stored", LADDER)
    assert nothing.targets == 0
    assert nothing.standing.answer == "not enough evidence"
    assert "not measured" in nothing.sentence("ctpg")


def test_a_bootstrap_draws_systems_and_not_their_presets() -> None:
    """Ten presets of one system that agree say as much as one: the interval is no narrower."""
    alone = summed(np.log([0.5, 0.7, 2.0, 0.9]), ["a", "b", "c", "d"])
    assert (alone.problems, alone.systems, alone.fewer) == (4, 4, 0.75)
    assert alone.ratio == pytest.approx((0.5 * 0.7 * 2.0 * 0.9) ** 0.25)
    assert alone.ratio_low < alone.ratio < alone.ratio_high
    thrice = summed(np.repeat(np.log([0.5, 0.7, 2.0, 0.9]), 3), list("aaabbbcccddd"))
    assert thrice.ratio_low == pytest.approx(alone.ratio_low)
    assert thrice.fewer_high == alone.fewer_high
    independent = summed(np.repeat(np.log([0.5, 0.7, 2.0, 0.9]), 3), list("abcdefghijkl"))
    assert independent.ratio_low > thrice.ratio_low
    two = summed(np.log([0.5, 0.7]), ["a", "b"])
    assert np.isnan(two.ratio_low)
    assert "bootstrap" not in two.sentence("new", "old")


def test_an_error_that_stops_falling_is_told(power_law: MakeRecords) -> None:
    falling = power_law("ctpg", 10.0, 2)
    assert stops_at(falling) is None
    wrong = falling.assign(rel_error=falling.rel_error.clip(lower=4e-3))
    assert stops_at(wrong) == pytest.approx(4e-3)
    records = pd.concat([wrong, power_law("bptt", 10.0, 2)], ignore_index=True)
    told = describe(judge_all(records, [("lqr", "optimal")], "ctpg", "bptt"))
    assert "ctpg stops improving at an error of 0.004" in told
    at_the_floor = wrong.assign(abs_error=1e-16)
    assert stops_at(at_the_floor) is None
    assert not stands([1.0, 0.1])


def test_several_forms_end_with_one_line(power_law: MakeRecords) -> None:
    parts = [power_law("ctpg", 1.0, 2), power_law("mali", 99.0, 2), power_law("bptt", 10.0, 2)]
    records = pd.concat(parts, ignore_index=True)
    problem = [("lqr", "optimal")]
    judged = [judge_all(records, problem, name, "bptt") for name in ("ctpg", "mali")]
    assert summary(judged) == "1 of 2 dominate bptt on every problem: ctpg."
    assert summary(judged[1:]) == "0 of 1 dominate bptt on every problem."
