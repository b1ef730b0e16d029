"""The results of asv are read by commit; those that are damaged are left out."""

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.draw.history_figure import history_figure, moved
from gradpareto.bench.store.asv_results import Metric, history
from tests.bench.conftest import assert_refused

Call = Callable[..., subprocess.CompletedProcess[str]]
PARAMETERS = [["'lqr'"], ["'bptt'", "'ctpg'"]]
EVALS = "frontiers.Evaluations.track_evals"


def commit(
    folder: Path, name: str, date: int, numbers: list[float | None] | None, benchmark: str = "of.it"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = {"commit_hash": name * 5, "date": date, "results": {benchmark: [numbers, PARAMETERS]}}
    (folder / f"{name}.json").write_text(json.dumps(found))


def test_the_history_has_the_numbers_by_commit_in_the_order_of_their_dates(tmp_path: Path) -> None:
    machine = tmp_path / "mine"
    commit(machine, "bb", 2, [3.0, None])
    commit(machine, "aa", 1, [4.0, 5.0])
    commit(machine, "cc", 3, None)
    for name, text in {"x": "{", "y": "[1]", "z": '{"results": {"of.it": 3}}', "w": "null"}.items():
        (machine / f"{name}.json").write_text(text)
    (tmp_path / "benchmarks.json").write_text('{"of.it": {"unit": "evals"}, "version": 2}')
    (found,) = history(tmp_path)
    assert (found.name, found.unit) == ("of.it", "evals")
    assert found.commits == ("aaaaaaaa", "bbbbbbbb", "cccccccc")
    first, second = found.values[("lqr", "bptt")], found.values[("lqr", "ctpg")]
    assert first[:2] == (4.0, 3.0)
    assert second[0] == 5.0
    assert all(map(math.isnan, (first[2], *second[1:])))


def test_numbers_move_where_they_change_or_come_and_go() -> None:
    nan = math.nan
    assert moved((100.0, 103.0))
    assert not moved((100.0, 101.0))
    assert moved((100.0, nan))
    assert not moved((nan, nan))


def test_the_figure_names_the_paper_s_the_best_and_those_that_moved() -> None:
    values = {
        ("lqr (optimal)", "bptt"): (900.0, 900.0),
        ("lqr (optimal)", "spectral"): (40.0, 40.0),
        ("lqr (optimal)", "ctpg-bs3"): (300.0, 300.0),
        ("lqr (optimal)", "multistep_adjoint"): (200.0, 150.0),
        ("lqr (optimal)", "spsa"): (math.nan, math.nan),
    }
    figure = history_figure(Metric(EVALS, "evaluations", ("aaaa", "bbbb"), values))
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    named = {"bptt", "spectral", "multistep_adjoint"}
    assert set(texts) == {*named, "others, of constant numbers"}
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert [200.0, 150.0] in drawn
    assert len(drawn) == len(values)


def test_the_verb_draws_and_tells_what_moved(call: Call, tmp_path: Path) -> None:
    for date, (name, numbers) in enumerate({"aa": [40.0, 5.0], "bb": [30.0, 5.0]}.items()):
        commit(tmp_path / "mine", name, date, list(numbers), EVALS)
    told = call("history", tmp_path, "--out", tmp_path / "out").stdout
    assert "2 commits, 2 numbers; 1 moved" in told
    assert "bptt" in told
    assert "ctpg" not in told
    assert (tmp_path / "out" / "history.png").stat().st_size > 10_000
    table = pd.read_csv(tmp_path / "out" / "history.csv")
    assert table.iloc[0].tolist() == ["lqr", "bptt", 40.0, 30.0]


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_results_is_refused(call: Call, tmp_path: Path, there: bool) -> None:
    folder = tmp_path if there else tmp_path / "none"
    assert_refused(call("history", folder), "has no evaluations of any commit")
