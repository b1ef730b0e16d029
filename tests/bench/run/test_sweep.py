"""Sweeps: what is kept, what is measured again, and what misbehaving estimators cost."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.loosest_setting import rung
from gradpareto.bench.run.meter import metered
from gradpareto.bench.run.plan import (
    DEFAULT_ESTIMATORS,
    SAMPLES,
    Plan,
    problems_of,
)
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.cells import open_store
from gradpareto.bench.store.record import COLUMNS
from gradpareto.bench.store.records import SCHEMA, RunFolder
from gradpareto.bench.store.records_csv import ADDED
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.conftest import SMALL
from tests.bench.run.rogues import Misbehaving


def without_times(records: pd.DataFrame) -> pd.DataFrame:
    """The columns that must not depend on the machine or the day."""
    return records.drop(
        columns=["wall_s", "wall_ratio", "wall_ratio_spread", "peak_bytes", "stored_bytes"]
    )


EXPECTED = {
    "raises": ("raised", "RuntimeError: two lines"),
    "shape": ("shape", "grad_x0 is (2, 1), not (2, 2)"),
    "complex": ("shape", "loss has dtype complex128, not a real number's"),
    "nothing": ("shape", "returned NoneType, not an Estimate"),
    "hangs": ("timeout", "not finished within 6 s"),
    "allocates": ("memory", "allocated more than its budget of memory"),
    "hoards": ("memory", "took 4"),
    "dies": ("died", "exit code 3"),
    "changes x0": ("mutated", "changed x0, which is not its own"),
    "changes theta": ("mutated", "changed theta, which is not its own"),
    "leaves": ("raised", "SystemExit: 0"),
    "interrupts": ("raised", "KeyboardInterrupt"),
    "fails oddly": ("shape", "failed is list"),
    "has a strange loss": ("diverged", "the loss is not finite"),
    "counts backwards": ("shape", "its steps are -"),
    "gives up in silence": ("diverged", "it was given up, without a reason"),
}


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> pd.DataFrame:
    rogues = {how: Misbehaving(how) for how in [*EXPECTED, "nan", "reuses"]}
    plan = Plan((("lqr", "optimal"),), tuple(rogues), samples=2, settings=(0.5,))
    budget = Budget(cell_seconds=6, cell_bytes=20_000_000)
    folder = RunFolder(tmp_path_factory.mktemp("run") / "rogues")
    return sweep(plan, folder, cache, budget, estimators=rogues)


@pytest.mark.parametrize("how", EXPECTED)
def test_a_misbehaving_estimator_costs_its_own_cells_and_says_why(
    misbehaved: pd.DataFrame, how: str
) -> None:
    rows = misbehaved[misbehaved.estimator == how]
    status, reason = EXPECTED[how]
    assert list(rows.status) == [status, status]
    assert [found for found in rows.reason if reason not in found] == []
    assert rows.rel_error.isna().all()


def test_a_nan_in_one_lane_fails_that_lane_only(misbehaved: pd.DataFrame) -> None:
    rows = misbehaved[misbehaved.estimator == "nan"]
    assert list(rows.status) == ["ok", "diverged"]
    assert rows.reason.iloc[1] == "the gradient is not finite"


def test_arrays_that_are_written_again_are_those_of_the_first_call(
    misbehaved: pd.DataFrame,
) -> None:
    rows = misbehaved[misbehaved.estimator == "reuses"]
    assert (rows.status == "ok").all()
    # Euler at T / 20 is a few per cent off; the calls that time it would be off by 1e9.
    assert (rows.rel_error < 0.5).all()


def test_records_are_complete_and_true(small_run: RunFolder) -> None:
    records = small_run.read_cells()
    assert list(records.columns) == COLUMNS
    assert len(records) == 2 * 2 * 2
    assert (records.status == "ok").all()
    bptt = records[(records.estimator == "bptt") & (records.setting == 0.25)]
    assert set(bptt.f_evals) == set(bptt.vjp_evals) == {40}
    assert (records.evals == records.f_evals + records.vjp_evals).all()
    together = np.hypot(records.abs_error_x0, records.abs_error_theta)
    np.testing.assert_allclose(records.abs_error, together, rtol=1e-12)
    # At the optimal gain dL/dx0 = 2 x0 is all but the whole gradient, up to exp(-2 T).
    x0 = SMALL.sampled("lqr", "perturbed")[1][records["sample"]]
    norm = 2 * np.linalg.norm(x0, axis=1)
    np.testing.assert_allclose(records.abs_error / records.rel_error, norm, rtol=1e-4)
    assert (records.peak_bytes > records.stored_bytes).all()
    assert (records.wall_ratio > 0).all()


def test_provenance_says_where_numbers_come_from_and_nothing_private(small_run: RunFolder) -> None:
    text = small_run.provenance_path.read_text()
    found = json.loads(text)
    session = found["sessions"][0]
    assert found["shared"] == SMALL.shared()
    assert {"commit", "dirty", "libraries", "processor", "cores", "references", "command"} <= set(
        session
    )
    for private in (os.uname().nodename, str(Path.home()), str(Path.cwd())):
        assert private not in text


def test_a_sweep_cut_off_anywhere_goes_on_and_ends_the_same(
    small_run: RunFolder, tmp_path: Path, cache: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(small_run.path, folder.path)
    first = ("estimator = ? AND setting = ?", ("bptt", 0.25))
    with folder.opened(SMALL.shared()), folder.cells() as store:
        kept = list(store.texts(first))
        store.remove((f"NOT ({first[0]})", first[1]))
    folder.records_path.unlink()
    asked: list[str] = []
    records = sweep(SMALL, folder, cache, Budget(jobs=1), lambda name, *_: asked.append(name))
    with open_store(folder.store_path) as store:
        assert list(store.texts(first)) == kept
    assert len([name for name in asked if not name.startswith("reference")]) == 3
    pd.testing.assert_frame_equal(without_times(records), without_times(small_run.read_cells()))


def test_an_interrupted_sweep_keeps_its_finished_cells(tmp_path: Path, cache: Path) -> None:
    folder = RunFolder(tmp_path / "run")

    def interrupt(name: str, done: int, total: int, failures: int = 0, /) -> None:
        if done == 3:  # a reference and two cells
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(SMALL, folder, cache, Budget(jobs=1), interrupt)
    assert len(folder.read_cells()) == 4
    assert not folder.records_path.exists()
    assert len(sweep(SMALL, folder, cache, Budget(jobs=1))) == 8


def test_a_finished_sweep_measures_nothing(small_run: RunFolder, cache: Path) -> None:
    def fail(name: str, *_: object) -> None:
        raise AssertionError(f"measured {name}")

    before = small_run.provenance_path.read_bytes()
    sweep(SMALL, small_run, cache, Budget(jobs=1), fail)
    assert small_run.provenance_path.read_bytes() == before


def test_an_empty_plan_is_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match="nothing to sweep"):
        sweep(Plan((), ("bptt",)), RunFolder(tmp_path / "run"), cache, Budget())
    assert not (tmp_path / "run").exists()


def as_schema_3(run: RunFolder, place: Path) -> RunFolder:
    """A copy of a run as schema 3 kept it: a file for each cell, and no store."""
    old = RunFolder(shutil.copytree(run.path, place))
    for path in (old.store_path, old.checksums_path, old.records_path, old.path / ".lock"):
        path.unlink()
    (old.path / "cells").mkdir()
    for (estimator, setting), rows in run.read_cells().groupby(["estimator", "setting"]):
        rows.to_csv(old.path / f"cells/lqr.optimal.{estimator}.{setting!r}.csv", index=False)
    old.write_provenance(old.provenance() | {"schema": 3})
    return old


def cell(run: RunFolder) -> Path:
    return min((run.path / "cells").glob("*bptt.0.25.csv"))


def age(run: RunFolder) -> None:
    run.provenance_path.write_text(json.dumps(run.provenance() | {"schema": 0}))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda run: run.provenance_path.unlink(), "no run folder"),
        (lambda run: run.provenance_path.write_text("{"), "damaged"),
        (age, "schema 0"),
        (lambda run: cell(run).write_text(cell(run).read_text()[:-9]), "cut short|damaged"),
        (lambda run: cell(run).write_text("a,b\n1,2\n"), "another schema"),
        (lambda run: cell(run).write_bytes(b"\xff\xfe\n"), "damaged"),
        (
            lambda run: cell(run).write_text(cell(run).read_text().replace(",40,", ",forty,")),
            "row 2: its f_evals is 'forty'",
        ),
    ],
)
def test_an_unusable_folder_is_refused_and_left_alone(
    small_run: RunFolder, tmp_path: Path, cache: Path, damage: object, complaint: str
) -> None:
    folder = as_schema_3(small_run, tmp_path / "run")
    damage(folder)  # type: ignore[operator]
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(UnusableFolder, match=complaint):
        sweep(SMALL, folder, cache, Budget(jobs=1))
    (folder.path / ".lock").unlink(missing_ok=True)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_a_folder_with_a_file_for_each_cell_becomes_a_store(
    small_run: RunFolder, tmp_path: Path, cache: Path
) -> None:
    folder = as_schema_3(small_run, tmp_path / "run")
    (folder.path / "cells" / ".half.tmp").write_text("half a cell, from a killed sweep")
    pd.testing.assert_frame_equal(folder.read_cells(), small_run.read_cells())
    records = sweep(SMALL, folder, cache, report=lambda name, *_: pytest.fail(f"measured {name}"))
    pd.testing.assert_frame_equal(records, small_run.read_cells())
    assert folder.records_path.read_bytes() == small_run.records_path.read_bytes()
    assert not (folder.path / "cells").exists()
    # What is not in the store is no file of ours.
    (folder.path / "cells").mkdir()
    (folder.path / "cells" / "notes.csv").write_text("a,b\n1,2\n")
    sweep(SMALL, folder, cache)
    assert (folder.path / "cells" / "notes.csv").exists()


@pytest.mark.parametrize("schema", [1, 2])
def test_a_folder_of_an_older_schema_is_read_and_gone_on_with(
    schema: int, small_run: RunFolder, tmp_path: Path, cache: Path
) -> None:
    """Truth: a run whose records are as the older schema has them, all of a cell missing."""
    folder, held = RunFolder(tmp_path / "run"), small_run.read_cells()
    old = held.drop(columns=[] if schema == 2 else list(ADDED))
    old.insert(old.columns.get_loc("seed") + 1, "dtype", "float64")
    folder.path.mkdir()
    old[(old.estimator == "bptt") | (old.setting == 0.5)].to_csv(folder.records_path, index=False)
    shared = SMALL.shared() | {"dtype": "float64"}
    folder.write_provenance({"schema": schema, "shared": shared, "sessions": []})
    assert list(folder.read_cells().columns) == COLUMNS
    records = sweep(SMALL, folder, cache, Budget(jobs=1))
    pd.testing.assert_frame_equal(without_times(records), without_times(held))
    assert folder.provenance()["schema"] == SCHEMA
    assert folder.records_path.read_text().splitlines()[0].split(",") == COLUMNS


def test_other_samples_do_not_mix_into_a_folder(small_run: RunFolder, cache: Path) -> None:
    with pytest.raises(UnusableFolder, match="samples 2, not 3"):
        sweep(replace(SMALL, samples=3), small_run, cache, Budget())


def test_the_default_plan_covers_every_system_and_pairs_its_samples() -> None:
    courses = Plan(problems_of((), ()), DEFAULT_ESTIMATORS).courses()
    assert {one.problem for one in courses} == {
        (name, preset) for name, task in TASKS.items() for preset in task.presets
    }
    assert {one.estimator for one in courses} == set(DEFAULT_ESTIMATORS)
    for one in courses:
        declares = ESTIMATORS[one.estimator].declares
        fewer = declares.per_lane or declares.cost_grows_with_parameters
        assert one.samples == SAMPLES == 32 or fewer
    assert len({(*one.problem, one.estimator) for one in courses}) == len(courses)


@pytest.mark.parametrize(
    "estimator", [n for n, e in ESTIMATORS.items() if e.declares.knob != "tolerance"]
)
def test_calls_are_about_those_that_are_metered(estimator: str) -> None:
    """Truth: the meter, at 64 steps; less than one of them may go or come at either end.

    Where it iterates, what is declared is of a problem harder than this linear one.
    """
    method, problem = ESTIMATORS[estimator], TASKS["lqr"].problem("perturbed")
    setting = rung(method, problem, 6)
    counted = metered(problem, 1)
    method(counted, np.ones((1, 2)), setting)
    declared, found = method.calls(problem, setting), counted.meter.evals[0]
    if method.declares.iterative:
        assert declared / 3 <= found <= declared
    else:
        assert found == pytest.approx(declared, rel=1 / 64)


def test_what_pays_for_each_parameter_sees_few_samples() -> None:
    """Truth: rows of a step of a whole cell, by multiplication: 1 + d + P solves of 4 stages."""
    for course in Plan(problems_of((), ()), ("complex_step",)).courses():
        task = TASKS[course.system]
        rows = course.samples * (1 + task.system.state_dim + task.policy.size) * 4
        assert rows <= 2**16 or course.samples == 1


def kept(folder: RunFolder) -> pd.DataFrame:
    return without_times(folder.read_cells())


TRACED = Plan((("lqr", "optimal"),), ("bptt-rk4", "ctpg"), samples=2, timed=False, calls=512)


def test_a_traced_sweep_that_was_stopped_ends_with_the_cells_of_an_unbroken_one(
    tmp_path: Path, cache: Path
) -> None:
    """However often it is stopped, and whether one worker measures or two."""
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    sweep(TRACED, whole, cache, Budget(jobs=2))

    class Stopped(Exception):  # noqa: N818
        pass

    def stop_after(cells: int) -> Report:
        left = [cells]

        def report(name: str, done: int, total: int, failures: int = 0, /) -> None:
            left[0] -= 1
            if not left[0]:
                raise Stopped

        return report

    for cells in (2, 6, 3):
        with pytest.raises(Stopped):
            sweep(TRACED, stopped, cache, Budget(jobs=1), stop_after(cells))
    sweep(TRACED, stopped, cache, Budget(jobs=1))
    pd.testing.assert_frame_equal(kept(stopped), kept(whole))
    assert kept(whole).setting.nunique() == 15


def test_a_timeout_ends_a_traced_frontier(tmp_path: Path, cache: Path) -> None:
    rogues = {"hangs": Misbehaving("hangs")}
    plan = Plan((("lqr", "optimal"),), ("hangs",), 2)
    folder = RunFolder(tmp_path / "run")
    records = sweep(plan, folder, cache, Budget(cell_seconds=1.5), estimators=rogues)
    assert records.setting.nunique() == 1
    assert (records.status == "timeout").all()
    again = sweep(plan, folder, cache, Budget(cell_seconds=1.5), estimators=rogues)
    pd.testing.assert_frame_equal(again, records)
