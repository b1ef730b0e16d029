"""The decision table: who wins a cell, by how much, and on how many problems."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.judge.table import TARGETS
from gradpareto.bench.site.costs import ALONE, COSTS, COSTS_WITH_TIMES, IN_BATCH
from gradpareto.bench.site.decision import Decision, decide, decisions
from gradpareto.bench.site.kind_page import kind_page
from gradpareto.bench.site.overview_page import decision_cell
from gradpareto.bench.site.problem_run import ProblemRun, read_run
from tests.bench.site.conftest import Rows, course, time_of, timed, written

EVALS, TIME, MEMORY = COSTS
STIFF = {"system": "stiff", "theta": "initial"}


def problems(folder: Path, rows: Rows) -> tuple[ProblemRun, ...]:
    folder.mkdir(exist_ok=True)
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
    assert cell.rests == "reached on 1 of 1 problem"


def test_who_reaches_the_error_on_more_problems_comes_before_who_is_cheaper(tmp_path: Path) -> None:
    rows = course("bptt", 1) + course("ctpg", 30)
    rows += course("ctpg", 30, theta="perturbed")
    rows += [one for one in course("bptt", 1, theta="perturbed") if one.setting > 0.2]
    decision = decide("smooth", 1e-4, EVALS, problems(tmp_path, rows))
    assert of(decision) == [("ctpg", 2), ("bptt", 1)]
    assert decision.margin == pytest.approx(1 / 30)
    told = "second: bptt, which reaches it on 1, at 0.0333 times the cost there"
    assert decision_cell(decision).margin == told


def test_the_mean_over_problems_is_geometric(tmp_path: Path) -> None:
    rows = course("bptt", 1) + course("ctpg", 8)
    rows += course("bptt", 6, theta="perturbed") + course("ctpg", 3, theta="perturbed")
    decision = decide("smooth", 1e-4, EVALS, problems(tmp_path, rows))
    assert [one.over_least for one in decision.ranking] == pytest.approx([2**0.5, 8**0.5])
    assert decision.margin == pytest.approx(2)


def test_each_system_has_the_same_weight_and_its_presets_share_it(tmp_path: Path) -> None:
    """Truth: by hand; `ctpg` needs 4 and 16 times as much on two presets, and 1/8 on another."""
    places = {"theta": "perturbed"}, {"theta": "optimal"}, {"system": "quadrotor", "theta": "x"}
    rows = [row for at in places for row in course("bptt", 16, **at)]
    rows += [
        row for at, c in zip(places, (64, 256, 2), strict=True) for row in course("ctpg", c, **at)
    ]
    decision = decide("smooth", 1e-4, EVALS, problems(tmp_path, rows))
    over = {one.estimator: one.over_least for one in decision.ranking}
    assert over == pytest.approx({"bptt": 8**0.5, "ctpg": 8**0.5})
    assert decision_cell(decision).margin == "second: ctpg, level within 2 %"
    assert decision_cell(decision).rests == "reached on 3 of 3 problems, of 2 systems"


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


def test_it_is_the_mean_over_the_problems_that_bounds_the_evaluations(tmp_path: Path) -> None:
    """Truth: by hand; sqrt(20 * 2) is below 10, and sqrt(60 * 2) is not."""
    for many, names in ((20, ["ctpg", "bptt"]), (60, ["bptt"])):
        rows = course("bptt", 1) + course("bptt", 1, theta="perturbed")
        rows += course("ctpg", many, stored_bytes=500.0)
        rows += course("ctpg", 2, theta="perturbed", stored_bytes=500.0)
        decision = decide("smooth", 1e-4, MEMORY, problems(tmp_path / str(many), rows))
        assert [one.estimator for one in decision.ranking] == names


def untraced(rows: Rows) -> Rows:
    return [replace(one, stored_bytes=float("nan")) for one in rows]


def test_who_was_not_traced_is_not_said_to_miss_the_error(tmp_path: Path) -> None:
    rows = course("bptt") + course("bptt", theta="perturbed")
    rows += course("ctpg", stored_bytes=500.0) + untraced(course("ctpg", theta="perturbed"))
    decision = decide("smooth", 1e-4, MEMORY, problems(tmp_path, rows))
    told = "second: ctpg, measured on 1, at 0.5 times the cost there"
    assert decision_cell(decision).margin == told
    (table,) = [
        one
        for one in kind_page("smooth", [decision]).data["decided"]
        if one["anchor"] == decision.name
    ]
    (costs,) = [row["costs"] for row in table["rows"] if row["estimator"] == "ctpg"]
    names = dict(zip(decision.problems, costs, strict=True))
    assert names["lqr", "perturbed"] == "?"
    assert table["least"][decision.problems.index(("lqr", "optimal"))] == ("ctpg", "500 B")


def test_an_error_that_is_reached_without_its_memory_has_no_winner(tmp_path: Path) -> None:
    rows = untraced(course("bptt", **STIFF)) + course("ctpg")
    found = problems(tmp_path, rows)
    alone = decision_cell(decide("stiff", 1e-4, MEMORY, found))
    assert alone.none in ("not measured", "reached, at a cost that was not measured")
    loose = [one for one in course("bptt", **STIFF) if one.setting > 0.2]
    tight = untraced([one for one in course("bptt", **STIFF) if one.setting <= 0.2])
    cell = decision_cell(decide("stiff", 1e-6, MEMORY, problems(tmp_path / "b", loose + tight)))
    assert cell.none == "reached, at a cost that was not measured"


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


PERTURBED = {"theta": "perturbed"}


def test_nobody_is_the_fastest_below_the_floor_of_the_reference(tmp_path: Path) -> None:
    """The table of times goes by measured errors, which are not known there."""
    rows = [replace(one, reference_uncertainty=1e-5) for one in course("bptt")]
    run = written(tmp_path / "run", rows)
    timed(run.path, time_of("bptt", 4.0, error=1e-2), time_of("bptt", 9.0, error=1e-6))
    found = read_run(run).problems
    assert decision_cell(decide("smooth", 1e-2, ALONE, found)).winner == "bptt"
    below = decision_cell(decide("smooth", 1e-6, ALONE, found))
    assert below.winner == decision_cell(decide("smooth", 1e-6, EVALS, found)).winner == ""


def test_the_fastest_wins_a_time_with_its_margin(tmp_path: Path) -> None:
    """Truth: by hand; `ctpg` needs more evaluations, and `mali` was not timed in a batch."""
    run = written(tmp_path / "run", course("bptt", 1) + course("ctpg", 3) + course("mali", 2))
    timed(
        run.path,
        *(time_of("bptt", 4.0), time_of("ctpg", 2.0), time_of("mali", 8.0)),
        *(time_of("bptt", 10.0, batch=32), time_of("ctpg", 15.0, batch=32)),
        time_of("mali", np.nan, batch=32),
        time_of("mali", 0.1, batch=64),
    )
    found = read_run(run).problems
    alone = decide("smooth", 1e-4, ALONE, found)
    assert of(alone) == [("ctpg", 1), ("bptt", 1), ("mali", 1)]
    assert alone.margin == pytest.approx(2)
    together = decide("smooth", 1e-4, IN_BATCH, found)
    assert of(together) == [("bptt", 1), ("ctpg", 1)]
    cell = decision_cell(together)
    assert (cell.winner, cell.margin) == ("bptt", "second: ctpg, 1.5 times as much")
    assert cell.rests == "reached on 1 of 1 problem"
    assert decision_cell(decide("smooth", 1e-6, ALONE, found)).none == "not measured"
    assert of(decide("smooth", 1e-4, EVALS, found))[0] == ("bptt", 1)


def test_who_was_not_timed_on_a_problem_since_it_is_slower_wins_no_time(tmp_path: Path) -> None:
    """`bptt` is the fastest where it was timed; that it reaches fewer errors is another matter."""
    rows = course("bptt") + course("ctpg")
    rows += course("bptt", **PERTURBED) + course("ctpg", **PERTURBED)
    run = written(tmp_path / "run", rows)
    timed(
        run.path,
        *(time_of("bptt", 1.0), time_of("ctpg", 2.0)),
        *(time_of("bptt", np.nan, **PERTURBED), time_of("ctpg", 2.0, **PERTURBED)),
    )
    decision = decide("smooth", 1e-4, ALONE, read_run(run).problems)
    assert of(decision) == [("ctpg", 2)]
    assert decision_cell(decision).rests == "reached on 2 of 2 problems, of 1 system"


def test_a_run_with_times_has_a_decision_for_both_batches(tmp_path: Path) -> None:
    run = written(tmp_path / "run", course("bptt"))
    assert read_run(run).costs == COSTS
    timed(run.path, time_of("bptt", 1.0))
    found = read_run(run)
    assert found.costs == COSTS_WITH_TIMES
    (problem,) = found.problems
    assert problem.is_measured(ALONE)
    assert not problem.is_measured(IN_BATCH)
    at = TARGETS.index(1e-4)
    assert problem.needed[ALONE.name]["bptt"][at] == 1.0
    assert np.isnan(problem.needed[IN_BATCH.name]["bptt"][at])


def test_a_time_for_an_error_that_nobody_reaches_is_not_missing(tmp_path: Path) -> None:
    run = written(tmp_path / "run", [one for one in course("bptt") if one.setting > 0.2])
    timed(run.path, time_of("bptt", 1.0, error=1e-2))
    found = read_run(run).problems
    assert decision_cell(decide("smooth", 1e-2, ALONE, found)).winner == "bptt"
    never = decision_cell(decide("smooth", 1e-9, ALONE, found))
    assert never.none == "no estimator is known to reach it"
    assert decision_cell(decide("smooth", 1e-9, IN_BATCH, found)).none == "not measured"
