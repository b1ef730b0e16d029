"""Frontiers that recede, and those that do not: closed forms, and a plug-in that is changed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.recession import Recession, recessions
from tests.bench.conftest import MakeRecords, assert_refused, record, table

SPACING = 1e3 ** (1 / 3999)
"""The factors that are tried are this far apart."""


def one(published: pd.DataFrame, today: pd.DataFrame) -> Recession:
    (found,) = recessions(published, today)
    return found


def test_a_run_has_not_receded_from_itself(power_law: MakeRecords) -> None:
    records = power_law("bptt", 1e-1, 2)
    assert one(records, records).factor == 1


@pytest.mark.parametrize("order", [1, 4])
@pytest.mark.parametrize("more", [1.05, 1.5, 4.0])
def test_the_factor_is_that_of_the_closed_form(
    power_law: MakeRecords, order: int, more: float
) -> None:
    """Truth: where errors fall as evals^-p and evals are c times as many, c^(p / (1 + p)).

    At its loose end a frontier cannot give way to a larger error: there it is c.
    """
    records = power_law("bptt", 1e-1, order, rungs=16)
    worse, inner = records.assign(evals=records.evals * more), records[records.setting < 0.05]
    for published, expected in ((inner, more ** (order / (1 + order))), (records, more)):
        assert expected / SPACING <= one(published, worse).factor <= expected * SPACING
    assert one(worse, records).factor == 1


def test_settings_that_moved_along_the_frontier_are_no_regression(power_law: MakeRecords) -> None:
    """Truth: the same law at other settings; only the ends have to be as far out."""
    records, order = power_law("bptt", 1e-1, 2), 2.0
    moved = records.assign(evals=records.evals * 0.7, rel_error=records.rel_error * 0.7**-order)
    assert one(records[records.setting > 1e-3], moved).factor == 1


def test_an_error_that_is_reached_no_more_is_said(power_law: MakeRecords) -> None:
    records = power_law("bptt", 1e-1, 2)
    lost = records.assign(status=np.where(records.setting < 0.1, "diverged", "ok"))
    found = one(records, lost)
    assert np.isinf(found.factor)
    assert "not reached any more" in found.sentence()
    assert "lqr (optimal), bptt: " in found.sentence()


def test_errors_at_the_floor_reach_every_published_one(power_law: MakeRecords) -> None:
    """A new setting is at the reference's floor with fewer evaluations than the published ones."""
    records = power_law("bptt", 1e-1, 2)
    exact = table([record("bptt", 1.0, sample, 8, 1e-16) for sample in range(4)])
    assert one(records, exact).factor == 1


def test_runs_that_have_nothing_in_common_are_refused(power_law: MakeRecords) -> None:
    with pytest.raises(ValueError, match="no estimator on a problem"):
        recessions(power_law("bptt", 1, 1), power_law("ctpg", 1, 1))


MINE = """
from dataclasses import dataclass, replace
import numpy as np
from gradpareto.estimators import ESTIMATORS, Estimator

@dataclass(frozen=True)
class Mine(Estimator):
    @property
    def declares(self):
        return ESTIMATORS["bptt-rk4"].declares

    def __call__(self, problem, x0, setting):
        found = ESTIMATORS["bptt-rk4"](problem, x0, setting)
        return found

mine = Mine()
"""
WORSE = "for _ in range(99): problem.flow(np.arange(len(x0)), np.zeros(len(x0)), x0)"
CHANGES: dict[str, tuple[Callable[[str], str], int]] = {
    "renamed": (lambda text: text.replace("found", "estimate"), 0),
    "worse": (lambda text: text.replace("return found", f"{WORSE}\n        return found"), 1),
    "wrong": (
        lambda text: text.replace(
            "return found", "return replace(found, grad_theta=1.01 * found.grad_theta)"
        ),
        1,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_gate_stops_what_is_worse_or_wrong(name: str, tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    change, status = CHANGES[name]
    (own := tmp_path / "own.py").write_text(MINE)
    published, mine = tmp_path / "published", ("--estimator", f"{own}:mine")
    steps = [option for step in (1, 0.5, 0.25, 0.125) for option in ("--setting", step)]
    where = ("--problem", "lqr", "perturbed", "--samples", "2")
    assert run("sweep", *where, *mine, *steps, "--out", published).returncode == 0
    before = (published / "records.csv").read_bytes()
    own.write_text(change(MINE))
    result = run("gate", "--against", published, *mine, "--out", tmp_path / "today")
    assert result.returncode == status, result.stderr
    assert f"{status} of 1 frontiers have receded" in result.stdout
    assert (published / "records.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--against",)),
        (("--against", "tests"), ("tests",)),
        (("--against", "results/default", "--system", "heat"), ("no such estimator",)),
        (("--against", "results/default", "--samples", "3"), ("published run",)),
        (("--against", "results/default", "--out", "results/default"), ("itself",)),
        (("--against", "results/default", "--within", "0"), ("--within",)),
    ],
)
def test_mistakes_are_one_line(call, arguments: tuple, words: tuple) -> None:  # type: ignore[no-untyped-def]
    assert_refused(call("gate", *arguments), *words)
