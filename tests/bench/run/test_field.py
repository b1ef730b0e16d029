"""The plan of the whole field: what it covers, and what bounds its price."""

from pathlib import Path

import pytest

from gradpareto.bench.run import field_plan
from gradpareto.bench.run.plan import DEFAULT_ESTIMATORS, SAMPLES, Plan, problems_of
from gradpareto.bench.run.sweep import Budget, sweep
from gradpareto.bench.store.record import Cell
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.run.test_sweep import Misbehaving


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return Plan(problems_of((), ()), tuple(ESTIMATORS), whole_field=True).cells()


def test_every_estimator_is_measured_and_on_every_problem_unless_it_is_dear(
    cells: list[Cell],
) -> None:
    missing = {
        (problem, name)
        for problem in problems_of((), ())
        for name in set(ESTIMATORS) - {c.estimator for c in cells if c.problem == problem}
    }
    assert {c.estimator for c in cells} == set(ESTIMATORS)
    assert all(ESTIMATORS[name].declares.cost_grows_with_parameters for _, name in missing)


def test_no_step_costs_more_than_it_may(cells: list[Cell]) -> None:
    problems = {key: TASKS[key[0]].problem(key[1]) for key in {cell.problem for cell in cells}}
    for cell in cells:
        method, problem = ESTIMATORS[cell.estimator], problems[cell.problem]
        if method.declares.knob == "step":
            expensive = method.declares.cost_grows_with_parameters
            most = (
                field_plan.MOST_SOLVED_CALLS
                if expensive
                else field_plan.STIFF_CALLS.get(cell.system, 2**12)
            )
            assert method.calls(problem, cell.setting) <= most, cell
        assert cell.samples == (2 if method.declares.per_lane else field_plan.samples_of(method))


def test_settings_go_from_loose_to_tight(cells: list[Cell]) -> None:
    """A timeout gives up those behind it."""
    for name in ESTIMATORS:
        if ESTIMATORS[name].declares.knob == "rollouts":
            continue
        for problem in problems_of((), ()):
            own = [c.setting for c in cells if c.estimator == name and c.problem == problem]
            assert own == sorted(set(own), reverse=True)


def test_an_explicit_method_on_the_stiff_system_is_spared_steps_that_are_unstable(
    cells: list[Cell],
) -> None:
    """Truth: stable from a step of 2.8 over the rate of 1e4 on, for four stages."""
    own = [
        c.setting for c in cells if (*c.problem, c.estimator) == ("stiff", "initial", "bptt-rk4")
    ]
    assert len(own) == field_plan.STABLE_RUNGS
    assert min(own) < 2.8e-4


def test_the_default_plan_is_as_it_was() -> None:
    plan = Plan((("lqr", "optimal"),), DEFAULT_ESTIMATORS)
    assert max(cell.samples for cell in plan.cells()) == SAMPLES == 16
    assert plan.shared()["samples"] == SAMPLES
    assert Plan((("lqr", "optimal"),), ("ctpg",), whole_field=True).shared()["samples"] == 4


@pytest.mark.parametrize("whole_field", [True, False])
def test_in_the_field_a_timeout_gives_up_what_is_dearer(
    whole_field: bool, tmp_path: Path, cache: Path
) -> None:
    rogues = {"hangs": Misbehaving("hangs")}
    settings = (0.5, 0.25, 0.125)
    plan = Plan((("lqr", "optimal"),), ("hangs",), 2, settings=settings, whole_field=whole_field)
    seen: list[tuple[int, int]] = []
    records = sweep(
        plan,
        RunFolder(tmp_path / "run"),
        cache,
        Budget(cell_seconds=1.5),
        lambda name, done, total: seen.append((done, total)),
        rogues,
    )
    assert len(records) == 3 * 2
    assert (records.status == "timeout").all()
    reasons = records.set_index("setting").reason
    assert (reasons[0.5] == "not finished within 1.5 s").all()
    later = "not tried: 0.5 took more than 1.5 s" if whole_field else "not finished within 1.5 s"
    assert (reasons[[0.25, 0.125]] == later).all()
    assert [done for done, _ in seen] == ([1, 2, 4] if whole_field else [1, 2, 3, 4])
