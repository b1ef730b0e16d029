"""The budget study: its tables by hand, its trainings, and the verb."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.learning.budget import ESTIMATORS, tasks, trainings
from gradpareto.bench.learning.budget_tables import (
    Tables,
    accuracy_needed,
    cheapest_as_good,
    cheapest_page,
    envelope,
    needed_page,
    settings_table,
    trained,
)
from gradpareto.estimators import ESTIMATORS as REGISTERED
from tests.bench.conftest import assert_refused


def settings(losses: list[float], errors: list[float]) -> pd.DataFrame:
    """Return a table of settings of one task, each twice as expensive as the one before."""
    count = len(losses)
    return pd.DataFrame(
        {
            "system": "task",
            "estimator": ["a", "b"] * (count // 2) + ["a"] * (count % 2),
            "setting": 2.0 ** -np.arange(count),
            "evals_a_gradient": 2.0 ** np.arange(count),
            "heldout_loss": losses,
            "worst": losses,
            "rel_error": errors,
            "cosine": 1.0,
        }
    )


@pytest.mark.parametrize(
    ("losses", "errors", "needed", "exceptions"),
    [
        ([9, 1.04, 1.0, 1.02], [0.5, 0.3, 0.1, 0.01], 0.3, 0),
        ([9, 1.06, 1.0, 1.02], [0.5, 0.3, 0.1, 0.01], 0.1, 0),
        ([1.01, 9, 1.0, 1.02], [0.5, 0.3, 0.1, 0.01], 0.1, 1),  # a lucky one is no evidence
        ([-1.0, -0.96, -0.9, np.inf], [0.1, 0.2, 0.3, 0.4], 0.2, 0),  # losses may be negative
        ([1.0, 1.0, 1.0, 9], [0.3, 0.2, np.nan, 0.1], np.nan, 2),  # the most accurate one fails
    ],
)
def test_the_error_below_which_the_loss_no_longer_improves(
    losses: list[float], errors: list[float], needed: float, exceptions: int
) -> None:
    """Truth: by hand; within 5 % of the best is as good as the best."""
    (row,) = accuracy_needed(settings(losses, errors)).to_dict("records")
    assert row["rel_error"] == pytest.approx(needed, nan_ok=True)
    assert row["exceptions"] == exceptions


def test_what_the_best_training_s_own_trials_do_not_tell_apart_is_as_good() -> None:
    """Truth: by hand; one trial of the best ended at 2, and another training's median is 1.9."""
    table = settings([9, 1.9, 1.0, 1.02], [0.5, 0.3, 0.1, 0.01])
    table.loc[2, "worst"] = 2.0
    assert accuracy_needed(table).rel_error.tolist() == [0.3]


def test_the_cheapest_settings_that_end_as_good_as_the_best() -> None:
    """Truth: by hand; `a` has the settings 0, 2 and 4, of which the last two are as good."""
    table = cheapest_as_good(settings([9, 8, 1.02, 7, 1.0], [0.1] * 5))
    assert table.estimator.tolist() == ["a"]
    assert table.evals_a_gradient.tolist() == [4.0]


def test_the_pages_have_a_row_for_each_task() -> None:
    """Truth: by hand."""
    table = settings([9, 1.0, 1.02, 8], [0.5, 0.25, 0.1, 0.01])
    assert "| task   | 1 " in needed_page(accuracy_needed(table.drop(index=3)))
    assert "| task   | 4 (0.1) | 2 (0.2) |" in cheapest_page(
        cheapest_as_good(table).replace({"a": "bptt", "b": "ctpg"})
    )


def test_the_envelope_takes_the_best_setting_within_each_total() -> None:
    """Truth: by hand; a loss counts from when it was reached, and the median is over trials."""
    curves = pd.DataFrame(
        [
            *((1.0, 0, 0, 9.0), (1.0, 0, 10, 5.0), (1.0, 0, 20, 4.0)),
            *((1.0, 1, 0, 9.0), (1.0, 1, 10, 7.0), (1.0, 1, 20, 4.0)),
            *((0.5, 0, 0, 9.0), (0.5, 0, 100, 1.0)),
            *((0.5, 1, 0, 9.0), (0.5, 1, 120, 2.0)),
        ],
        columns=["setting", "trial", "evals", "heldout_loss"],
    )
    totals = np.array([0.0, 9, 10, 19, 20, 99, 100, 120, 1e9])
    expected = [9, 9, 6, 6, 4, 4, 4, 1.5, 1.5]
    np.testing.assert_allclose(envelope(curves, totals), expected)


def test_a_lost_trial_is_infinitely_bad_in_the_median() -> None:
    """Truth: by hand; of three trials two are lost."""
    records = pd.DataFrame(
        {
            **{"system": "task", "estimator": "a", "setting": 1.0, "lost": 0, "seconds": 1.0},
            **{"trial": [0, 1, 2], "evals_a_gradient": [2.0, 4.0, 6.0]},
            "heldout_loss": [1.0, np.nan, np.nan],
        }
    )
    gradients = pd.DataFrame(
        {"system": "task", "estimator": "a", "setting": 1.0, "rel_error": [0.1], "cosine": [1.0]}
    )
    (row,) = settings_table(Tables(records, pd.DataFrame(), gradients)).to_dict("records")
    assert (row["heldout_loss"], row["best"], row["evals_a_gradient"]) == (np.inf, 1.0, 4.0)


def test_a_finer_setting_has_a_smaller_error_and_a_larger_price(tmp_path: Path) -> None:
    """Truth: order 1 in the step, to a factor of 2; the price of Euler's steps is 2 N."""
    parts = trainings(("differential_drive",), ("bptt",), trials=2, iterations=4)[3:5]
    tables = [trained(part, tmp_path) for part in parts]
    errors = [table.gradients.rel_error.median() for table in tables]
    assert 1.5 < errors[0] / errors[1] < 3
    prices = [table.records.evals_a_gradient.tolist() for table in tables]
    assert prices == [[128.0, 128.0], [256.0, 256.0]]
    again = trained(parts[0], tmp_path)
    pd.testing.assert_frame_equal(again.curves, tables[0].curves)


def test_every_task_goes_from_cheap_to_expensive_with_registered_estimators() -> None:
    for task in tasks().values():
        assert tuple(task.settings) == ESTIMATORS
        for name, own in task.settings.items():
            rollouts = REGISTERED[name].declares.knob == "rollouts"
            assert (np.diff(own) > 0).all() if rollouts else (np.diff(own) < 0).all()


QUICK = ("budget", "--quick", "--system", "electric", "--estimator", "bptt", "--jobs", "1")


def test_the_quick_form_writes_tables_and_figures(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = call(*QUICK, "--estimator", "ctpg", "--out", tmp_path / "b", "--json")
    assert result.returncode == 0, result.stderr
    assert {row["system"] for row in json.loads(result.stdout)["needed"]} == {"electric"}
    assert len(pd.read_csv(tmp_path / "b" / "records.csv")) == 2
    for name in ("budget.png", "totals.png"):
        assert (tmp_path / "b" / name).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("budget", "--system", "lorenz"), ("lorenz", "study")),
        (("budget", "--estimator", "bptt-heun"), ("bptt-heun", "study")),
        (("budget", "--trials", "0"), ("--trials",)),
        ((*QUICK, "--out", "pyproject.toml"), ("pyproject.toml",)),
    ],
)
def test_mistakes_are_one_line(call, arguments: tuple, words: tuple) -> None:  # type: ignore[no-untyped-def]
    assert_refused(call(*arguments), *words)


def test_a_folder_of_other_trainings_is_refused(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert call(*QUICK, "--out", tmp_path / "b").returncode == 0
    assert_refused(call(*QUICK, "--iterations", "3", "--out", tmp_path / "b"), "another")
