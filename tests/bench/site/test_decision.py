"""The decision table: who wins a cell, by how much, and on how many problems."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.judge.table import TARGETS
from gradpareto.bench.site.costs import COSTS
from gradpareto.bench.site.decision import Decision, decide, decisions
from gradpareto.bench.site.overview_page import decision_cell
from gradpareto.bench.site.problem_run import ProblemRun, read_run
from tests.bench.site.conftest import Rows, course, written

EVALS, TIME, MEMORY = COSTS
STIFF = {"system": "stiff", "theta": "initial"}


def problems(folder: Path, rows: Rows) -> tuple[ProblemRun, ...]:
    return read_run(written(folder / "run", rows)).problems


def of(decision: Decision) -> list[tuple[str, int]]:
    return [(one.estimator, one.reached) for one in decision.ranking]


def test_the_cheapest_of_those_that_reach_the_error_wins_with_its_margin(tmp_path: Path) -> None:
    rows = course("bptt", 1) + course("ctpg", 3) + course("neural_ode", 2)
    decision = decide("smooth", 1e-4, EVALS, problems(tmp_path, rows))
    assert of(decision) == [("bptt", 1), ("neural_ode", 1), ("ctpg", 1)]
    assert decision.margin == pytest.approx(2)
    assert [one.over_least for one in decision.ranking] == pytest.approx([1, 2, 3])
    cell = decision_cell(decision)
    assert (cell.winner, cell.margin) == ("bptt", "second: neural_ode, 2 times as much")
    assert cell.rests == "reached on 1 of 1 problems"


def test_who_reaches_the_error_on_more_problems_comes_before_who_is_cheaper(tmp_path: Path) -> None:
    rows = course("bptt", 1) + course("ctpg", 30)
    rows += course("ctpg", 30, theta="perturbed")
    rows += [one for one in course("bptt", 1, theta="perturbed") if one.setting > 0.2]
    decision = decide("smooth", 1e-4, EVALS, problems(tmp_path, rows))
    assert of(decision) == [("ctpg", 2), ("bptt", 1)]
    assert decision.margin == pytest.approx(1 / 30)
    assert decision_cell(decision).margin == "second: bptt, which reaches it on 1"


def test_the_mean_over_problems_is_geometric(tmp_path: Path) -> None:
    rows = course("bptt", 1) + course("ctpg", 8)
    rows += course("bptt", 6, theta="perturbed") + course("ctpg", 3, theta="perturbed")
    decision = decide("smooth", 1e-4, EVALS, problems(tmp_path, rows))
    assert [one.over_least for one in decision.ranking] == pytest.approx([2**0.5, 8**0.5])
    assert decision.margin == pytest.approx(2)


def test_a_kind_has_only_its_own_problems(tmp_path: Path) -> None:
    rows = course("bptt", 1) + course("ctpg", 1, **STIFF)
    found = problems(tmp_path, rows)
    assert of(decide("smooth", 1e-2, EVALS, found)) == [("bptt", 1)]
    assert of(decide("stiff", 1e-2, EVALS, found)) == [("ctpg", 1)]
    empty = decide("chaotic", 1e-2, EVALS, found)
    assert decision_cell(empty).none == "no such problem in this run"


def test_what_needs_many_evaluations_wins_nothing_in_memory(tmp_path: Path) -> None:
    rows = course("bptt", 1) + course("ctpg", 9, stored_bytes=500.0)
    rows += course("neural_ode", 11, stored_bytes=0.0)
    decision = decide("smooth", 1e-4, MEMORY, problems(tmp_path, rows))
    assert of(decision) == [("ctpg", 1), ("bptt", 1)]
    assert decision.margin == pytest.approx(2)


def test_memory_that_was_not_traced_is_unknown_and_not_unreached(tmp_path: Path) -> None:
    rows = [
        one if one.setting > 0.2 else replace(one, stored_bytes=float("nan"))
        for one in course("bptt")
    ]
    (problem,) = problems(tmp_path, rows)
    loose, tight = TARGETS.index(1e-2), TARGETS.index(1e-6)
    needed = problem.needed["memory"]["bptt"]
    assert needed[loose] == pytest.approx(1000)
    assert np.isnan(needed[tight])
    assert np.isfinite(problem.needed["evaluations"]["bptt"][tight])


def test_a_cost_without_a_measurement_says_so(tmp_path: Path) -> None:
    found = problems(tmp_path, course("bptt"))
    assert decision_cell(decide("smooth", 1e-2, TIME, found)).none == "not measured"
    assert decision_cell(decide("smooth", 1e-2, EVALS, found)).winner == "bptt"


def test_an_error_that_nobody_reaches_has_no_winner(tmp_path: Path) -> None:
    rows = [one for one in course("bptt") if one.setting > 0.2]
    cell = decision_cell(decide("smooth", 1e-9, EVALS, problems(tmp_path, rows)))
    assert (cell.winner, cell.none) == ("", "no estimator is known to reach it")


def test_every_kind_cost_and_error_has_a_decision(tmp_path: Path) -> None:
    found = decisions(problems(tmp_path, course("bptt")), COSTS)
    assert len(found) == 5 * len(COSTS) * len(TARGETS)
    assert {one.kind for one in found} == {"smooth", "stiff", "kinked", "jumping", "chaotic"}


def test_a_system_that_declares_no_kind_has_a_row_of_its_own(tmp_path: Path) -> None:
    found = decisions(problems(tmp_path, course("bptt", system="tank")), COSTS)
    first = next(one for one in found if one.kind == "undeclared" and one.cost is EVALS)
    assert of(first) == [("bptt", 1)]
