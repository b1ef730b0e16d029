"""The figure of a comparison: its ratio is the truth, and says who alone arrives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.draw.comparison_figure import comparison_figure, draw_comparison
from gradpareto.bench.judge.evidence import RULE
from tests.bench.conftest import MakeRecords


def test_the_ratio_of_two_laws_is_a_straight_line(power_law: MakeRecords) -> None:
    """Truth: two laws of order 2 whose constants differ by 4 need a ratio of 2 or a half."""
    records = pd.concat([power_law("ctpg", 4.0, 2), power_law("bptt", 16.0, 2)], ignore_index=True)
    left, right = comparison_figure(records, "ctpg", "bptt", RULE).axes
    (curve,) = [line for line in right.lines if len(line.get_xdata()) > 30 and line.get_lw() == 1.8]
    ratio = np.asarray(curve.get_ydata(), dtype=float)
    assert np.nanmax(np.abs(ratio - 0.5)) < 0.02
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels[0] == "ctpg significantly ahead"
    assert {text.get_text() for text in left.get_legend().get_texts()} == {"ctpg", "bptt"}


@pytest.mark.parametrize(("new", "told"), [("ctpg", "only ctpg arrives"), ("bptt", "only ctpg")])
def test_who_alone_arrives_is_told(power_law: MakeRecords, new: str, told: str) -> None:
    fine = power_law("ctpg", 4.0, 2)
    coarse = power_law("bptt", 4.0, 2)
    coarse = coarse[coarse.setting > np.median(coarse.setting)]
    records = pd.concat([fine, coarse], ignore_index=True)
    other = "bptt" if new == "ctpg" else "ctpg"
    (_, right) = comparison_figure(records, new, other, RULE).axes
    assert any(told in text.get_text() for text in right.get_legend().get_texts())
    bottom, top = right.get_ylim()
    for line in right.lines:
        y = np.asarray(line.get_ydata(), dtype=float)
        assert np.all((y[np.isfinite(y)] >= bottom) & (y[np.isfinite(y)] <= top))


def test_two_that_have_no_error_in_common(power_law: MakeRecords, tmp_path: Path) -> None:
    lost = power_law("ctpg", 4.0, 2).assign(status="diverged", rel_error=np.nan, abs_error=np.nan)
    also = lost.assign(estimator="bptt")
    paths = draw_comparison(
        pd.concat([lost, also], ignore_index=True),
        ("lqr", "optimal"),
        "ctpg",
        "bptt",
        RULE,
        tmp_path,
    )
    assert {path.suffix for path in paths} == {".png", ".svg", ".pdf"}
    assert paths[0].parent == tmp_path / "figures"
