"""Tables: what is never reached, what was not measured, and what is fewest."""

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.table import TARGETS, markdown, markdown_fewest, summarise
from tests.bench.conftest import MakeRecords

LIMIT = pd.DataFrame([(0, 1, 1e-1), (0, 2, 1e-9)], columns=["sample", "vjps", "rel_error"])


@pytest.fixture
def table() -> pd.DataFrame:
    """`ctpg` on two problems, `bptt` on one, where it never gets there."""
    rows = [("lqr", "ctpg", 120.0), ("heat", "ctpg", 2000.0), ("lqr", "bptt", np.inf)]
    columns = {f"evals_{target:.0e}": [row[2] for row in rows] for target in TARGETS}
    names = {"system": [row[0] for row in rows], "estimator": [row[1] for row in rows]}
    return pd.DataFrame({**names, "theta": "initial", **columns})


def cells(markdown: str) -> list[list[str]]:
    """The cells of a Markdown table, row by row, without the rule under its head."""
    lines = markdown.splitlines()
    assert set(lines.pop(1)) <= set("|:-")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_fewest_and_whose(table: pd.DataFrame) -> None:
    rows = cells(markdown_fewest(table))
    assert rows[0] == ["problem", "1e-02", "1e-04", "1e-06", "1e-09"]
    assert rows[1] == ["heat (initial)", *["2,000 ctpg"] * 4]
    assert rows[2] == ["lqr (initial)", *["120 ctpg"] * 4]
    never = table[table.estimator == "bptt"]
    assert cells(markdown_fewest(never))[1] == ["lqr (initial)", *["-"] * 4]


def test_a_row_an_estimator(table: pd.DataFrame) -> None:
    rows = cells(markdown(table))
    assert rows[0] == ["estimator", "heat (initial)", "lqr (initial)"]
    assert rows[1] == ["bptt", "", "- / - / - / -"]


def test_what_is_not_known_is_not_said_to_be_never_reached(table: pd.DataFrame) -> None:
    """An error at the reference's floor is small, and how small is not known."""
    unknown = table.replace(np.inf, np.nan)
    assert cells(markdown(unknown))[1] == ["bptt", "", "? / ? / ? / ?"]
    alone = unknown[unknown.estimator == "bptt"]
    assert cells(markdown_fewest(alone))[1] == ["lqr (initial)", *["?"] * 4]
    assert cells(markdown_fewest(unknown))[2] == ["lqr (initial)", *["120 ctpg"] * 4]


def test_a_sample_whose_gradient_is_zero_is_in_no_table(power_law: MakeRecords) -> None:
    records, limit = power_law("bptt", 10.0, 2), {("lqr", "optimal"): LIMIT}
    zero = records[records["sample"] == 0].assign(sample=9, status="zero", rel_error=np.nan)
    with_zero = summarise(pd.concat([records, zero], ignore_index=True), limit)
    pd.testing.assert_frame_equal(with_zero, summarise(records, limit))
    assert (with_zero.ok == 1).all()
    assert summarise(zero, limit).empty


def test_a_point_at_the_floor_attains_what_is_above_it(power_law: MakeRecords) -> None:
    """Truth: errors of 1e-14 at 8 evaluations and more, beside a reference known to 1e-8."""
    exact = power_law("ctpg", 1.0, 2).assign(rel_error=1e-14, abs_error=1e-14)
    known = power_law("bptt", 1.0, 2)
    both = pd.concat([exact, known], ignore_index=True).assign(reference_uncertainty=1e-9)
    rows = summarise(both, {("lqr", "optimal"): LIMIT}).set_index("estimator")
    needed = rows.loc["ctpg", [f"evals_{target:.0e}" for target in TARGETS]].tolist()
    assert needed[:3] == [8.0, 8.0, 8.0]
    assert np.isnan(needed[3])
    assert 900 < rows.loc["bptt", "evals_1e-06"] < 1100
