"""The verb `memory`: the bytes that it gives to a run are those that a sweep would have traced."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.judge.cheapest_settings import untraced_settings
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.run.traced_cells import OTHER_CODE
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.sweep_notes import course
from tests.bench.conftest import assert_refused
from tests.bench.site.conftest import record, written

BYTES = ["stored_bytes", "peak_bytes"]
PLAN = Plan([("lqr", "optimal")], ["bptt-rk4", "ctpg"], settings=(0.5, 0.1), samples=3, timed=False)


@pytest.fixture
def run(tmp_path: Path, cache: Path) -> tuple[RunFolder, pd.DataFrame]:
    """A run that has forgotten the bytes of its tighter settings, and its whole records."""
    folder = RunFolder(tmp_path / "run")
    whole = sweep(PLAN, folder, cache, Budget(jobs=1))
    with folder.opened({}), folder.cells() as store:
        for name in PLAN.estimators:
            key = ("lqr", "optimal", name, 0.1)
            records = [
                replace(one, stored_bytes=np.nan, peak_bytes=np.nan) for one in store.records(key)
            ]
            seen = [held.seen for held in course(store.run, key[:3]) if held.setting == 0.1]
            store.write(key, records, seen[0])
        folder.publish(store)
    return folder, whole


def test_the_bytes_are_those_of_the_sweep_and_all_else_is_as_it_was(
    call: Callable, run: tuple[RunFolder, pd.DataFrame]
) -> None:
    folder, whole = run
    assert folder.read_cells().stored_bytes.isna().sum() == 6
    with folder.opened({}), folder.cells() as store:
        before = list(course(store.run, ("lqr", "optimal", "ctpg")))
    result = call("memory", folder.path, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"traced": 2, "lacking": []}
    found = folder.read_cells()
    pd.testing.assert_frame_equal(found.drop(columns=BYTES), whole.drop(columns=BYTES))
    np.testing.assert_allclose(found.stored_bytes, whole.stored_bytes, rtol=0.03, atol=200)
    np.testing.assert_allclose(found.peak_bytes, whole.peak_bytes, rtol=0.03, atol=500)
    with folder.opened({}), folder.cells() as store:
        assert list(course(store.run, ("lqr", "optimal", "ctpg"))) == before
    assert "0 cells was traced" in call("memory", folder.path).stdout


def test_cells_of_other_code_are_left_as_they_are(
    call: Callable, run: tuple[RunFolder, pd.DataFrame]
) -> None:
    folder, _ = run
    key = ("lqr", "optimal", "ctpg", 0.1)
    with folder.opened({}), folder.cells() as store:
        records = [
            replace(one, f_evals=one.f_evals + 1, evals=one.evals + 1) for one in store.records(key)
        ]
        store.write(key, records)
        folder.publish(store)
    result = call("memory", folder.path, "--json")
    told = json.loads(result.stdout)
    assert told["traced"] == 1
    assert [(one["estimator"], one["reason"]) for one in told["lacking"]] == [("ctpg", OTHER_CODE)]
    found = folder.read_cells().groupby("estimator").stored_bytes
    assert found.apply(lambda own: own.isna().sum()).to_dict() == {"bptt-rk4": 0, "ctpg": 3}


def test_settings_that_reach_an_error_and_the_next_ones_are_chosen(tmp_path: Path) -> None:
    """Truth: by hand; the first was traced, the last is beyond the calls, 1e-5 is no error."""
    rows = [
        record(setting=0.5**place, sample=sample, error=error, calls=calls, stored_bytes=stored)
        for place, (error, calls, stored) in enumerate(
            [
                (1e-3, 10, 8.0),
                (1e-5, 20, np.nan),
                (1e-7, 30, np.nan),
                (1e-8, 40, np.nan),
                (2e-9, 50, np.nan),
                (1e-10, 60, np.nan),
                (1e-11, 70, np.nan),
            ]
        )
        for sample in range(6)
    ]
    records = written(tmp_path / "run", rows).read_cells()
    chosen = untraced_settings(records, (1e-2, 1e-6, 1e-9), 65)
    assert chosen.evals.tolist() == [20, 30, 40, 60]


def test_no_run_and_an_unknown_estimator_are_refused(call: Callable, tmp_path: Path) -> None:
    assert_refused(call("memory", tmp_path / "none"), "there is no run in")
    run = written(tmp_path / "run", [record(sample=sample) for sample in range(6)])
    assert_refused(call("memory", run.path, "--estimator", "bpt"), "bptt")
