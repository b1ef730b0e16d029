"""On a real cluster of two workers: the records of one machine, whatever the workers have."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from gradpareto.bench.plugins import SYSTEM_PLUGINS, resolve, resolve_system
from gradpareto.bench.plugins.placed import ROOT
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.engines.choice import workers
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.record import COLUMNS
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.run.engines.tasks import environment, listening, sleep_for, threads
from tests.bench.run.rogues import Misbehaving
from tests.cluster import Cluster, cluster_of

TRACED = Plan((("lqr", "optimal"),), ("bptt-rk4", "ctpg"), samples=2, timed=False, calls=512)
VARYING = ["wall_s", "wall_ratio", "wall_ratio_spread", "peak_bytes", "stored_bytes"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(tmp_path_factory.mktemp("cluster"), workers=2) as made:
        yield made


def assert_same(found: pd.DataFrame, whole: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found.drop(columns=VARYING), whole.drop(columns=VARYING))


def test_the_records_are_those_of_a_serial_run(
    cluster: Cluster, tmp_path: Path, cache: Path
) -> None:
    whole = sweep(TRACED, RunFolder(tmp_path / "whole"), cache, Budget(jobs=1))
    own = tmp_path / "cache"  # so that the references come from workers
    budget = Budget(scheduler=cluster.address)
    found = sweep(TRACED, RunFolder(tmp_path / "run"), own, budget)
    assert list(found.columns) == COLUMNS
    assert_same(found, whole)
    assert len(list(own.glob("*.npz"))) == 1
    side_by_side = sweep(TRACED, RunFolder(tmp_path / "jobs"), cache, Budget(jobs=2))
    assert_same(side_by_side, whole)


def test_a_timed_plan_is_timed_after_the_rest(
    cluster: Cluster, tmp_path: Path, cache: Path
) -> None:
    asked: list[str] = []
    plan = replace(TRACED, timed=True, calls=64)
    budget = Budget(scheduler=cluster.address)
    found = sweep(
        plan, RunFolder(tmp_path / "run"), cache, budget, lambda name, *_: asked.append(name)
    )
    assert found.wall_s.notna().all()
    last = [name.startswith("times of") for name in asked]
    assert last == sorted(last)
    assert sum(last) == found.setting.groupby(found.estimator).nunique().sum()


SYSTEM = '''
import os
import numpy as np
from beside import POWER
from gradpareto import System

GAIN = float(np.loadtxt(os.path.join(os.path.dirname(__file__), "gain.csv")))


class Drift(System):
    """x' = -gain x^power + u"""

    def flow(self, t, x, u):
        x_dot = -GAIN * x**POWER + u
        return x_dot, (x**2 + u**2).sum(axis=1)

    def sample_x0(self, rng, samples):
        return rng.uniform(0.5, 1, (samples, 1))
'''
ESTIMATOR = """
from gradpareto.estimators import ESTIMATORS, Estimator

class Mine(Estimator):
    declares = ESTIMATORS["bptt-rk4"].declares

    def __call__(self, problem, x0, setting):
        if __import__("os").environ.get("GRADPARETO_LUGGAGE", "") not in __file__:
            raise RuntimeError("it is not the file that was sent")
        return ESTIMATORS["bptt-rk4"](problem, x0, setting)
"""


@pytest.fixture
def registries() -> Iterator[None]:
    """Restores the registries of systems and estimators after a test."""
    registered: tuple[Any, ...] = (TASKS, SYSTEM_PLUGINS, ESTIMATORS)
    held = [dict(one) for one in registered]
    yield
    for one, before in zip(registered, held, strict=True):
        one.clear()
        one.update(before)


@pytest.mark.usefixtures("registries")
def test_plug_ins_travel_with_what_they_import_and_read(
    cluster: Cluster, tmp_path: Path, cache: Path
) -> None:
    """Truth: the run of this machine. On the workers, the files lie in a folder of their own."""
    place = tmp_path / "plugins"
    place.mkdir()
    (place / "beside.py").write_text("POWER = 3\n")
    (place / "gain.csv").write_text("0.5\n")
    (place / "drift.py").write_text(SYSTEM)
    (place / "mine.py").write_text(ESTIMATOR)
    system = resolve_system(f"{place / 'drift.py'}:Drift")
    names = ("bptt-rk4", *resolve(f"{place / 'mine.py'}:Mine"))
    plan = Plan(((system, "initial"),), names, 2, settings=(0.25, 0.125), timed=False)
    whole = sweep(plan, RunFolder(tmp_path / "whole"), cache, Budget(jobs=1))
    budget = Budget(scheduler=cluster.address)
    found = sweep(plan, RunFolder(tmp_path / "run"), tmp_path / "cache", budget)
    assert list(found.status) == ["ok"] * 8
    assert_same(found, whole)


def test_a_cluster_leaves_freed_memory_to_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask asks the C library to give it back at once, in this process and in its workers."""
    name = "MALLOC_TRIM_THRESHOLD_"
    monkeypatch.delenv(name, raising=False)
    with workers(1, "local:1") as opened:
        assert opened.submit(environment, name).result() is None
    assert name not in os.environ


def test_an_estimator_of_a_script_is_refused(cluster: Cluster, tmp_path: Path, cache: Path) -> None:
    rogues = {"hangs": Misbehaving("hangs")}
    plan = replace(TRACED, estimators=("hangs",))
    budget = Budget(scheduler=cluster.address)
    with pytest.raises(ValueError, match=r"does not travel to a cluster: name it as a plug-in"):
        sweep(plan, RunFolder(tmp_path / "run"), cache, budget, estimators=rogues)


def test_a_time_out_ends_the_cell_and_not_the_worker(
    cluster: Cluster, tmp_path: Path, cache: Path
) -> None:
    plan = replace(TRACED, settings=(1e-4, 0.5), estimators=("bptt",))
    budget = Budget(cell_seconds=0.4, scheduler=cluster.address)
    found = sweep(plan, RunFolder(tmp_path / "run"), cache, budget)
    assert list(found.status) == ["timeout"] * 2 + ["ok"] * 2
    assert all(one.poll() is None for one in cluster.workers)


def test_a_worker_has_one_thread_for_linear_algebra(cluster: Cluster) -> None:
    for scheduler in (None, cluster.address):
        with workers(1, scheduler) as opened:
            assert set(opened.submit(threads).result()) <= {1}
            assert opened.submit(environment, "OPENBLAS_NUM_THREADS").result() == "1"
    with workers(1) as opened:
        assert opened.submit(environment, ROOT).result() is None


def test_a_cluster_of_its_own_listens_on_this_machine_alone_and_ends() -> None:
    own = psutil.Process()
    before = set(own.children(recursive=True))
    already = set(listening(own.pid))
    with workers(1, "local:2") as opened:
        assert opened.side_by_side == 2
        opened.submit(environment, ROOT).result()
        started = set(own.children(recursive=True)) - before
        found = [place for one in started for place in listening(one.pid)]
        found += set(listening(own.pid)) - already
        assert len(found) >= 3
        assert {place.ip for place in found} == {"127.0.0.1"}
    _, left = psutil.wait_procs(started, 10)
    assert not [one for one in left if "resource_tracker" not in " ".join(one.cmdline())]


def test_timed_cells_are_measured_on_exclusive_workers_at_once(tmp_path: Path) -> None:
    with cluster_of(tmp_path, workers=1) as made:
        for _ in range(2):
            made.start_worker("--resources", "exclusive=1")
        with workers(1, made.address) as opened:
            assert (opened.side_by_side, opened.exclusive) == (3, 2)


def test_a_cluster_of_exclusive_workers_times_cells_where_it_measures_them(
    tmp_path: Path, cache: Path
) -> None:
    asked: list[str] = []
    with cluster_of(tmp_path / "cluster", workers=0) as made:
        made.start_worker("--resources", "exclusive=1")
        budget, folder = Budget(scheduler=made.address), RunFolder(tmp_path / "run")
        plan = replace(TRACED, timed=True, calls=64)
        found = sweep(plan, folder, cache, budget, lambda name, *_: asked.append(name))
    assert found.wall_s.notna().all()
    assert not [name for name in asked if name.startswith("times of")]


def test_the_command_line_takes_a_scheduler(
    cluster: Cluster,
    tmp_path: Path,
    call,  # type: ignore[no-untyped-def]
) -> None:
    few = ("--system", "lqr", "--theta", "optimal", "--estimator", "bptt", "--samples", 2)
    where = ("--out", tmp_path / "run", "--scheduler", cluster.address, "--json")
    found = call("sweep", *few, "--setting", 0.5, *where)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["failed"] == 0


def test_more_tasks_than_workers_are_done(cluster: Cluster) -> None:
    with workers(1, cluster.address) as opened:
        futures = [opened.submit(sleep_for, 0.01) for _ in range(20)]
        assert len({one.result() for one in futures}) <= 2
