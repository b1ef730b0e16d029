"""The matrix of verdicts: against those made one by one, and where the answer is known."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from gradpareto.bench.draw.matrix_figure import matrix_figure
from gradpareto.bench.judge.matrix import COLUMNS, counts, verdict_matrix, winners, winners_markdown
from gradpareto.bench.judge.medians import grouped_medians, median_known
from gradpareto.bench.judge.verdict import compare
from gradpareto.bench.store.records_csv import read_records
from tests.bench.conftest import MakeRecords

ROOT = Path(__file__).parents[3]


@pytest.fixture
def three(power_law: MakeRecords) -> pd.DataFrame:
    """On lqr ctpg dominates both others, bptt-rk4 bptt; on heat bptt dominates ctpg."""
    lqr = [power_law("bptt", 10.0, 1), power_law("bptt-rk4", 1e6, 3), power_law("ctpg", 3.0, 4)]
    heat = [power_law("bptt", 3.0, 2), power_law("ctpg", 30.0, 2)]
    parts = [part.assign(system="lqr") for part in lqr]
    return pd.concat(parts + [p.assign(system="heat") for p in heat], ignore_index=True)


def test_published_verdicts_are_those_made_one_by_one() -> None:
    """Truth: `compare`, on real records: failures, floors, different samples."""
    records = read_records(ROOT / "results" / "default" / "records.csv")
    records = records[records.system.isin(["differential_drive", "lqr"])]
    matrix = verdict_matrix(records).set_index(COLUMNS[:4])
    checked = 0
    for (system, theta), group in records.groupby(["system", "theta"]):
        for new, baseline in list(permutations(dict.fromkeys(group.estimator), 2))[::7]:
            verdict, found = compare(group, new, baseline), matrix.loc[system, theta, new, baseline]
            assert verdict.answer == found.answer, (system, theta, new, baseline)
            assert found.ratio == pytest.approx(verdict.ratio, nan_ok=True)
            checked += 1
    assert checked > 40


def test_counts_winners_and_pairs(three: pd.DataFrame) -> None:
    matrix = verdict_matrix(three)
    assert len(matrix) == 3 * 2 + 2
    won, both = counts(matrix)
    assert won.loc["ctpg", "bptt"] == won.loc["bptt", "ctpg"] == 1
    assert both.loc["ctpg", "bptt"] == 2
    assert both.loc["ctpg", "bptt-rk4"] == won.loc["ctpg", "bptt-rk4"] == 1
    assert np.diag(both).sum() == 0
    best = winners(matrix).set_index("system")
    assert best.loc["lqr", "winners"] == "ctpg"
    assert best.loc["lqr", "dominates"] == "2"
    assert best.loc["heat", "winners"] == "bptt"
    assert best.estimators.to_dict() == {"lqr": 3, "heat": 2}
    cells = [cell.strip() for cell in winners_markdown(winners(matrix)).splitlines()[2].split("|")]
    assert cells[2:4] == ["2", "bptt (1)"]


def test_no_pair_without_a_common_sample(three: pd.DataFrame) -> None:
    apart = three[(three.estimator != "ctpg") | (three["sample"] == 0)]
    apart = apart[(apart.estimator == "ctpg") | (apart["sample"] != 0)]
    assert not (verdict_matrix(apart)[["new", "baseline"]] == "ctpg").any(axis=None)
    assert verdict_matrix(three[three.estimator == "ctpg"]).empty


@pytest.mark.parametrize("row", [[1.0, np.nan, 3.0, 2.0], [np.inf, 1.0], [2.0], [np.inf, np.inf]])
def test_the_median_of_what_is_known(row: list[float]) -> None:
    """Truth: NumPy's."""
    assert median_known(np.array([row]))[0] == np.nanmedian(row)


def test_where_nothing_is_known_there_is_no_median() -> None:
    values = np.array([[np.nan, np.nan], [-np.inf, np.inf], [-np.inf, np.nan]])
    np.testing.assert_array_equal(median_known(values), [np.nan, np.nan, -np.inf])


def test_medians_of_groups_of_any_size_are_those_of_pandas() -> None:
    rng = np.random.default_rng(0)
    groups, values = rng.choice([0.5, 0.25, 2.0, 1.0], 23), rng.standard_normal((2, 23))
    values[0, rng.random(23) < 0.4] = np.nan
    values[:, groups == 2.0] = np.nan
    found, sizes, medians = grouped_medians(groups, values)
    known = pd.DataFrame(values.T).groupby(groups)
    assert list(found) == list(known.size().index)
    assert list(sizes) == list(known.size())
    np.testing.assert_array_equal(medians.T, known.median())


def test_the_figure_shows_every_pair_that_was_judged(three: pd.DataFrame) -> None:
    """Truth: the counts; blue (1) for all won, red (-1) for all lost, 0 for one each."""
    axes = matrix_figure(verdict_matrix(three)).axes[0]
    (squares,) = (part for part in axes.collections if isinstance(part, PolyCollection))
    assert sorted(np.asarray(squares.get_array())) == [-1, -1, 0, 0, 1, 1]
    assert sorted(text.get_text() for text in axes.texts) == ["1"] * 4
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["ctpg", "bptt-rk4", "bptt"]
