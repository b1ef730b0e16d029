"""Tables: what is never reached, what was not measured, and what is fewest."""

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.table import TARGETS, markdown, markdown_fewest


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
