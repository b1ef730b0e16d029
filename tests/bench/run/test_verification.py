"""Measuring a run again: what reproduces, to the last bit or nearly, and what is found if not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.repeats import SLACK, TOLERANCES, beyond_roundings, differences
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.run.verification import PlanOfCells, draw_cells, verify
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.record import CELL_KEYS, Cell, Record
from gradpareto.bench.store.records import RunFolder
from tests.bench.conftest import ROOT, assert_refused

EVERY = ("f_evals", "evals", "steps", "loss", "abs_error", "rel_error", "abs_error_theta")


def keys_of(records: pd.DataFrame) -> set[tuple[str, str, str, float]]:
    return set(records[CELL_KEYS].itertuples(index=False, name=None))


def test_a_run_reproduces_to_the_last_bit_where_it_was_measured(
    small_run: RunFolder, cache: Path, tmp_path: Path
) -> None:
    plan = draw_cells(small_run, 1.0, seed=3)
    found = verify(small_run, plan, RunFolder(tmp_path / "again"), cache, Budget(jobs=1))
    assert found.differences.empty, found.differences.to_string()
    assert found.unlike == ()
    assert found.cells == found.to_the_bit == found.reproduced == plan.held == 4


def test_a_session_names_the_same_libraries_whatever_was_used_before() -> None:
    """SciPy brings its own library of linear algebra, which is loaded when it is first needed."""
    code = "from gradpareto.bench.store.provenance import session; print(session({})['blas'])"
    named = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert named.strip() == str(session({})["blas"])


def test_the_draw_follows_the_seed_and_the_fraction(small_run: RunFolder) -> None:
    drawn = [draw_cells(small_run, 0.5, seed).drawn for seed in range(20)]
    assert all(len(cells) == 2 for cells in drawn)
    assert draw_cells(small_run, 0.5, 7).drawn == drawn[7]
    assert len({cell.key for cells in drawn for cell in cells}) == 4
    assert len(draw_cells(small_run, 1e-6, 0).drawn) == 1
    assert {cell.estimator for cell in draw_cells(small_run, 1, 0, (), ["ctpg"]).drawn} == {"ctpg"}


@pytest.mark.parametrize("column", EVERY)
def test_the_last_bit_is_compared(small_run: RunFolder, column: str) -> None:
    records = small_run.read_cells()
    forged = records.copy()
    value = forged.loc[5, column]
    forged.loc[5, column] = (
        np.nextafter(value, 2 * value) if isinstance(value, float) else value + 1
    )
    found = differences(forged, records, keys_of(records))
    assert list(found["column"]) == [column]
    assert found.loc[0, "sample"] == records.loc[5, "sample"]
    elsewhere = differences(forged, records, set())
    assert len(elsewhere) == (abs(1 / records.loc[5, column]) > 0.02 and column not in EVERY[3:])


@pytest.mark.parametrize("column", EVERY)
def test_tolerances_elsewhere_have_an_end(small_run: RunFolder, column: str) -> None:
    records = small_run.read_cells().astype(dict.fromkeys(EVERY, float))
    for part, count in ((0.9, 0), (1.5, 1)):
        forged = records.copy()
        forged.loc[2, column] /= 1 - part * TOLERANCES[column]
        assert len(differences(forged, records, set())) == count


def test_errors_that_nothing_ranks_are_not_compared_elsewhere(small_run: RunFolder) -> None:
    records = small_run.read_cells()
    size = records["abs_error"] / records["rel_error"]
    records["rel_error"], records["abs_error"] = 4e-11, 4e-11 * size
    forged = records.assign(rel_error=9e-11, abs_error=9e-11 * size)
    assert differences(forged, records, set()).empty
    assert not differences(forged, records, keys_of(records)).empty
    larger = records.assign(rel_error=2e-10, abs_error=2e-10 * size)
    assert not differences(larger, records, set()).empty


def test_bytes_may_differ_by_a_few_objects(small_run: RunFolder) -> None:
    records = small_run.read_cells()
    for part, empty in ((0.9, True), (1.1, False)):
        forged = records.assign(peak_bytes=records["peak_bytes"] + part * SLACK / 2)  # 2 samples
        assert differences(forged, records, keys_of(records)).empty is empty


def test_bytes_are_not_compared_with_other_code_nor_on_a_simulator(small_run: RunFolder) -> None:
    records = small_run.read_cells().assign(peak_bytes=1e6)
    forged, simulator = records.assign(peak_bytes=9e6), {"system": "mujoco_cartpole"}
    alike = keys_of(records)
    assert len(differences(forged, records, alike)) == len(records)
    assert differences(forged, records, set()).empty
    there = records.assign(**simulator)
    assert differences(forged.assign(**simulator), there, keys_of(there)).empty


def moved_by(
    records: pd.DataFrame, width: float, samples: Collection[int], column: str = "rel_error"
) -> list[pd.DataFrame]:
    """Records whose column is larger by up to a factor in some samples, e-fold by e-fold."""
    rows = records["sample"].isin(samples)
    steps = [np.where(rows, np.exp(width * k / 4), 1.0) for k in range(1, 5)]
    return [records.assign(**{column: records[column] * step}) for step in steps]


@pytest.mark.parametrize(
    ("factor", "left"), [(-1.1, 1), (-0.9, 0), (0.5, 0), (1.9, 0), (2.1, 1), (np.nan, 1)]
)
def test_roundings_reach_as_far_again_as_they_were_seen_to(
    power_law: Callable[..., pd.DataFrame], factor: float, left: int
) -> None:
    """The values found span a factor of e; the record is that many such factors from the least.

    An eighth of seven samples is none.
    """
    found = power_law("bptt", 1.0, 1.0, samples=7, rungs=1)
    recorded = found.copy()
    recorded.loc[3, "rel_error"] *= np.exp(factor)
    table = differences(recorded, found, set())
    assert len(table) == 1
    assert len(beyond_roundings(table, found, moved_by(found, 1.0, [3]))) == left
    assert len(beyond_roundings(table, found, moved_by(found, 1.0, [2]))) == 1
    assert len(beyond_roundings(table, found, [])) == 1


@pytest.mark.parametrize(
    ("outlying", "factor", "moving", "left"),
    [
        (2, 9.0, 5, 0),
        (3, 9.0, 5, 3),
        (2, 9.0, 1, 2),
        (2, 1.5, 0, 0),
        (2, 1.8, 0, 2),
        (3, 1.5, 0, 3),
    ],
)
def test_an_eighth_of_the_samples_may_lie_elsewhere(
    power_law: Callable[..., pd.DataFrame], outlying: int, factor: float, moving: int, left: int
) -> None:
    """They are within twice the tolerance of a fifth, or roundings move as many."""
    found = power_law("bptt", 1.0, 1.0, samples=16, rungs=1)
    recorded = found.copy()
    recorded.loc[: outlying - 1, "rel_error"] *= factor
    table = differences(recorded, found, set())
    moved = moved_by(found, 0.5, range(outlying, outlying + moving))
    assert len(beyond_roundings(table, found, moved)) == left


def test_a_status_and_a_negative_loss_are_such_as_roundings_make_if_they_were_found(
    small_run: RunFolder,
) -> None:
    found = small_run.read_cells().assign(loss=-1.0)
    failed = found.assign(status="diverged", rel_error=np.nan, abs_error=np.nan)
    table = differences(failed, found, set())
    assert set(table["column"]) == {"status", "rel_error", "abs_error"}
    assert beyond_roundings(table, found, [found, failed]).empty
    assert len(beyond_roundings(table, found, [found, found])) == len(table)
    larger = found.assign(loss=1.0)
    table = differences(larger, found, set())
    assert beyond_roundings(table, found, moved_by(found, -20.0, {0, 1}, "loss")).empty is False
    assert beyond_roundings(table, found, [found.assign(loss=0.5)]).empty


def test_a_block_that_is_a_rounding_of_the_gradient_is_not_compared_elsewhere(
    small_run: RunFolder,
) -> None:
    records = small_run.read_cells()
    size = records["abs_error"] / records["rel_error"]
    tiny = records.assign(abs_error_theta=4e-11 * size)
    other = records.assign(abs_error_theta=9e-11 * size)
    assert differences(tiny, other, set()).empty
    assert not differences(tiny, records.assign(abs_error_theta=2e-10 * size), set()).empty
    assert set(differences(tiny, other, keys_of(records))["column"]) == {"abs_error_theta"}


@pytest.fixture(scope="module")
def restless_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunFolder:
    """A run as another machine makes it: roundings decide which steps of its cells are accepted."""
    cells = (
        Cell("differential_drive", "initial", "multistep_adjoint", 1e-11, 16),
        Cell("differential_drive", "initial", "bptt-rk4", 0.25, 16),
    )
    names = tuple(cell.estimator for cell in cells)
    problems = (cells[0].problem,)
    plan = PlanOfCells(problems, names, 16, timed=False, drawn=cells, held=2, moved=99)
    folder = RunFolder(tmp_path_factory.mktemp("run") / "restless")
    sweep(plan, folder, cache, Budget(jobs=1))
    provenance = folder.provenance()
    provenance["sessions"][0]["processor"] = "Abacus"
    folder.write_provenance(provenance)
    return folder


def test_cells_that_depend_on_roundings_reproduce_elsewhere(
    call: Callable[..., Any], restless_run: RunFolder
) -> None:
    seen = call("verify", restless_run.path, "--fraction", 1, "--jobs", 1)
    assert seen.returncode == 0, seen.stdout
    assert seen.stdout.startswith("2 of 2 cells reproduce; 2 cells were compared within tolerances")
    assert "1 of them reproduce as far as roundings let them" in seen.stdout


@pytest.mark.parametrize("estimator", ["multistep_adjoint", "bptt-rk4"])
def test_a_forged_cell_is_found_elsewhere_whether_roundings_move_it_or_not(
    restless_run: RunFolder, cache: Path, tmp_path: Path, estimator: str
) -> None:
    plan = draw_cells(restless_run, 1.0, 1, (), [estimator])
    records = restless_run.read_cells()
    mine = records["estimator"] == estimator
    records.loc[mine, "evals"] = (1.2 * records.loc[mine, "evals"]).astype(int)
    plan_of = [replace(plan, moved=seed) for seed in (0, 1, 2, 3)]
    found, *moved = (
        sweep(one, RunFolder(tmp_path / str(one.moved)), cache, Budget(jobs=1)) for one in plan_of
    )
    left = beyond_roundings(differences(records[mine], found, set()), found, moved)
    assert (left["column"] == "evals").sum() > 8


def test_a_failure_reproduces_as_a_failure(small_run: RunFolder) -> None:
    records = small_run.read_cells()
    failed = records.assign(status="diverged", loss=np.nan, rel_error=np.nan, abs_error=np.nan)
    assert differences(failed, failed, set()).empty
    assert set(differences(records, failed, set())["column"]) >= {"status", "rel_error"}


def forged(small_run: RunFolder, folder: Path, **changes: Callable[[Any], Any]) -> RunFolder:
    """Copy a run, with columns of one cell's records changed."""
    shutil.copytree(small_run.path, folder)
    records = small_run.read_cells()
    rows = records[(records["estimator"] == "ctpg") & (records["setting"] == 0.25)]
    own = [Record(**row) for row in rows.to_dict("records")]  # type: ignore[misc]
    new = [
        replace(one, **{name: change(getattr(one, name)) for name, change in changes.items()})
        for one in own
    ]
    run = RunFolder(folder)
    with run.opened({}), run.cells() as store:
        store.write(("lqr", "optimal", "ctpg", 0.25), new)
        run.publish(store)
    return run


def test_the_command_finds_a_forged_record(
    call: Callable[..., Any], small_run: RunFolder, tmp_path: Path
) -> None:
    errors = ("abs_error", "rel_error", "abs_error_x0", "abs_error_theta")
    halved = dict.fromkeys(errors, lambda e: e / 2)
    folder = forged(small_run, tmp_path / "forged", **halved).path
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    seen = call("verify", folder, "--fraction", 1, "--jobs", 1, "--json")
    assert seen.returncode == 1
    told = json.loads(seen.stdout)
    assert (told["cells"], told["reproduced"], told["to_the_bit"]) == (4, 3, 4)
    assert {row["column"] for row in told["differences"]} == set(errors)
    assert {row["estimator"] for row in told["differences"]} == {"ctpg"}
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_says_what_it_compared_and_how(
    call: Callable[..., Any], small_run: RunFolder, tmp_path: Path
) -> None:
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "moved"))
    provenance = folder.provenance()
    provenance["sessions"][0]["processor"] = "Abacus"
    folder.write_provenance(provenance)
    seen = call("verify", folder.path, "--estimator", "bptt", "--fraction", 0.5, "--jobs", 1)
    assert seen.returncode == 0, seen.stdout
    assert seen.stdout.startswith("1 of 1 cells reproduce; 1 cells were compared within tolerances")
    assert "and was Abacus" in seen.stdout
    assert "1 of 2 cells are measured again, drawn by --seed" in seen.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("results/nothing",), ("there is no run",)),
        (("results/default", "--fraction", 1.5), ("--fraction", "1.5")),
        (("results/default", "--fraction", 0), ("--fraction", "positive")),
        (("results/default", "--seed", -1), ("-1",)),
        (("results/default", "--system", "heat"), ("no cell", "none fits")),
        (("results/default", "--x0", "pyproject.toml"), ("initial states", "pyproject.toml")),
        (("results/figure3",), ("figure3",)),
    ],
)
def test_what_cannot_be_verified_is_refused(
    call: Callable[..., Any], arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    assert_refused(call("verify", *arguments), *words)


@pytest.mark.parametrize("run", ["default", "published"])
def test_published_cells_reproduce(run: str, cache: Path, tmp_path: Path) -> None:
    """A few cells on the LQR are drawn here; tests/faults draws from all published cells."""
    folder = RunFolder(ROOT / "results" / run)
    plan = draw_cells(folder, 0.1, 11, ["lqr"], ("bptt-rk4", "ctpg", "gauss_legendre-4"))
    found = verify(folder, plan, RunFolder(tmp_path / "again"), cache, Budget(jobs=1))
    assert found.cells > 3
    assert found.differences.empty, found.differences.to_string()
