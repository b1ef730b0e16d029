"""The verbs `learn` and `reproduce`, and every figure in its quick form."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gradpareto.bench.draw.ticks import plain_log
from gradpareto.bench.learning.curves import curve
from gradpareto.bench.learning.paths import paths
from gradpareto.bench.learning.setups import setup_of
from gradpareto.bench.paper import figure3, figure7
from gradpareto.bench.paper.figures import FIGURES
from gradpareto.bench.paper.reproduction import Experiment, Scale
from gradpareto.systems import TASKS
from tests.bench.conftest import assert_refused
from tests.bench.learning.test_learning import RUN, silent, train


@pytest.mark.parametrize("number", FIGURES)
def test_every_figure_has_a_quick_form(number: int, tmp_path: Path) -> None:
    # Figure 2 has samples in the place of trials, of which four are certified sooner than 32.
    scale = Scale(quick=True, iterations=2, trials=4 if number == 2 else None)
    found = FIGURES[number](scale, tmp_path / "run", silent)
    found.figure.savefig(tmp_path / "figure.png")
    assert all(axes.has_data() for axes in found.figure.axes)
    assert found.sentences
    assert not any("nan" in sentence for sentence in found.sentences)
    records = [pd.read_csv(path) for path in (tmp_path / "run").rglob("records.csv")]
    assert all(len(table) for table in records)
    assert len(records) == {6: 2, 7: 3}.get(number, 1)


def test_a_figure_publishes_the_iterations_with_a_held_out_loss(tmp_path: Path) -> None:
    setup = setup_of("lqr")
    row = Experiment("lqr", setup, ("bptt",), iterations=9, trials=2, heldouts=3, references=0)
    history = row.learn(tmp_path, silent)["bptt"]
    table = pd.read_csv(tmp_path / "records.csv")
    assert table.iteration.tolist() == [0, 0, 3, 3, 6, 6]
    taken = history.column("heldout_loss")[::3].ravel()
    np.testing.assert_allclose(table.heldout_loss, taken, rtol=1e-7)
    assert table.evals.iloc[-1] == history.evals[6, 1]
    assert max(len(repr(loss)) for loss in table.loss) <= 10


def test_the_optimal_loss_of_figure_3_is_the_riccati_equation_s() -> None:
    """Truth: P' = P^2 - I backward from P(T) = 0, whose solution is tanh(T - t) I."""
    P, h = 0.0, 1e-4
    for _ in range(int(figure3.HORIZON / h)):
        P += h * (1 - (P + 0.5 * h * (1 - P * P)) ** 2)
    assert pytest.approx(2 * P, rel=1e-7) == figure3.OPTIMAL


def test_curves_are_against_what_was_spent_before(tmp_path: Path) -> None:
    history = train(RUN, tmp_path / "h.npz", silent)
    x, y = curve(history, "evals", "loss")
    assert x[0] == 0
    np.testing.assert_allclose(y[0], history.column("loss")[0])
    np.testing.assert_allclose(x[-1], history.evals[-2].min())


def test_paths_start_at_x0_and_follow_the_closed_form() -> None:
    """Truth: x' = -x under the optimal gain."""
    problem, x0 = TASKS["lqr"].problem("optimal").sample(np.random.default_rng(0), 3)
    t, states = paths(problem, x0, 11)
    np.testing.assert_allclose(states, np.exp(-t)[:, None, None] * x0, rtol=1e-5, atol=1e-5)


LEARN = ("learn", "lqr", "--iterations", "3")


def test_learn_prints_and_keeps(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "run"
    options = (*LEARN, "--estimator", "ctpg", "--estimator", "bptt=0.25", "--trials", "2")
    result = call(*options, "--out", folder, "--json")
    assert result.returncode == 0, result.stderr
    ctpg, bptt = json.loads(result.stdout)
    assert (ctpg["iterations"], bptt["setting"]) == (3, 0.25)
    assert bptt["evals"] >= ctpg["evals"]
    records = pd.read_csv(folder / "records.csv")
    assert len(records[records.estimator == "ctpg"]) == 6
    assert (folder / "learning.png").stat().st_size > 10_000
    again = call(*options, "--out", folder, "--json")
    assert json.loads(again.stdout) == [ctpg, bptt]
    shown = call(*options, "--out", folder)
    assert "held-out" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("learn", "lqrr"), ("'lqrr'", "'lqr'")),
        ((*LEARN, "--estimator", "btpt"), ("'btpt'", "'bptt'")),
        ((*LEARN, "--estimator", "bptt=fast"), ("positive", "'fast'")),
        ((*LEARN, "--estimator", "bptt=-1"), ("positive", "'-1'")),
        ((*LEARN, "--budget", "euros"), ("--budget", "euros")),
        ((*LEARN, "--trials", "0"), ("--trials",)),
        ((*LEARN, "--on-divergence", "crash"), ("crash",)),
        ((*LEARN, "--out", "pyproject.toml"), ("pyproject.toml",)),
        ((*LEARN, "--store-trained"), ("lqr.npz", "delete")),
        (("reproduce", "8"), ("8",)),
        (("reproduce", "four"), ("four",)),
        (("reproduce", "3", "--quick", "--out", "tests"), ("tests",)),
        (("reproduce", "2", "--trials", "x"), ("--trials",)),
    ],
)
def test_mistakes_are_one_line(call, arguments: tuple, words: tuple) -> None:  # type: ignore[no-untyped-def]
    assert_refused(call(*arguments), *words)


def test_another_comparison_s_folder_is_refused(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "run"
    assert call(*LEARN, "--estimator", "bptt=1", "--out", folder).returncode == 0
    before = (folder / "bptt.npz").read_bytes()
    assert_refused(call(*LEARN, "--estimator", "bptt=2", "--out", folder), "bptt.npz", "another")
    assert_refused(call(*LEARN, "--trials", "2", "--out", folder), "trials")
    assert (folder / "bptt.npz").read_bytes() == before


def test_the_set_ups_of_figure_7_differ_in_one_thing_after_the_other() -> None:
    """All fly one quadrotor from one set of starts; of the last two, only one horizon grows."""
    paper, whole, growing = (row.setup for row in figure7.rows())
    assert replace(whole, growth=growing.growth) == growing
    assert growing.growth is not None
    np.testing.assert_array_equal(
        paper.heldout(paper.initial_theta(1))[1], whole.heldout(whole.initial_theta(1))[1]
    )
    assert paper.sample_evals == whole.sample_evals < np.inf
    assert paper.precision == "float32"
    assert paper.system.wrapped  # type: ignore[attr-defined]


def test_figure_7_publishes_every_iteration_that_it_draws() -> None:
    """The losses of the batches are drawn at every iteration, and the others where they are."""
    thinned = {
        row.losses: figure7.experiment_of(row, Scale()).comparison.thinned for row in figure7.rows()
    }
    assert thinned == {"loss": False, "heldout_loss": True}


def test_labels_of_a_short_logarithmic_axis_are_plain_numbers() -> None:
    """Truth: from 28 to 75 there is no power of ten, and matplotlib's own says 3 x 10^1."""
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [28, 75])
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    shown = [label.get_text() for label in axes.get_yticklabels(which="both")]
    places = axes.get_yticks(minor=False).tolist() + axes.get_yticks(minor=True).tolist()
    inside = {text for text, at in zip(shown, places, strict=True) if low < at < high and text}
    assert inside == {"30", "40", "50", "60"}
