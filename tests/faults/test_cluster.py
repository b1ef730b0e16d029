"""Whatever becomes of a part of a real cluster: the same records, at the latest after a restart."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.engines.choice import workers
from gradpareto.bench.run.engines.task import Died
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.cells import open_store
from gradpareto.bench.store.records import RunFolder
from tests.cluster import PATIENCE, ROOT, Cluster, cluster_of, until
from tests.faults.injection import assert_same_records
from tests.faults.tasks import wait_unless_there

SETTINGS = ("0.05", "0.04", "0.03", "0.02", "0.015", "0.01")
ESTIMATORS = ("bptt", "bptt-rk4")
SWEEP = [
    "sweep",
    "--system",
    "quadrotor",
    "--theta",
    "initial",
    "--samples",
    "8",
    "--plan",
    "field",
]
SWEEP += [part for name in ESTIMATORS for part in ("--estimator", name)]
SWEEP += [part for setting in SETTINGS for part in ("--setting", setting)]
CELLS = len(SETTINGS) * len(ESTIMATORS)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with cluster_of(tmp_path / "cluster", workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a sweep by one process of this machine."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    ended = started("--jobs", "1", folder=folder)
    assert ended.wait(PATIENCE) == 0
    return folder


def started(*more: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gradpareto", *SWEEP, "--out", str(folder), *more]
    return subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE)


def finished(folder: Path) -> int:
    """The number of cells that a sweep has kept by now."""
    path = folder / "cells.sqlite"
    if not path.exists():
        return 0
    with open_store(path) as store:
        return len(list(store.index()))


def kept(folder: Path, cells: int) -> None:
    until(lambda: finished(folder) >= cells)


def assert_told(command: subprocess.Popen[str], *words: str) -> None:
    """Assert status 2 and one line with these words, after the lines of progress."""
    said = command.communicate(timeout=PATIENCE)[1]
    assert command.returncode == 2, said
    lines = [line for line in said.splitlines() if not line[:1].isdigit()]
    assert len(lines) == 1, said
    for word in words:
        assert word in lines[0]


def assert_done(command: subprocess.Popen[str], folder: Path, whole: Path) -> None:
    said = command.communicate(timeout=PATIENCE)[1]
    assert command.returncode == 0, said
    assert_same_records(folder, whole)


def test_a_worker_that_is_killed_mid_cell(cluster: Cluster, tmp_path: Path, whole: Path) -> None:
    command = started("--scheduler", cluster.address, folder=tmp_path / "run")
    kept(tmp_path / "run", 2)
    cluster.workers[0].kill()
    assert_done(command, tmp_path / "run", whole)


def test_all_workers_are_killed_and_another_one_joins(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    command = started("--scheduler", cluster.address, folder=tmp_path / "run")
    kept(tmp_path / "run", 2)
    for worker in cluster.workers:
        worker.kill()
    for worker in cluster.workers:
        worker.wait()
    assert command.poll() is None
    cluster.start_worker()
    assert_done(command, tmp_path / "run", whole)


def test_a_worker_that_loses_its_network(cluster: Cluster, tmp_path: Path, whole: Path) -> None:
    """It is stopped, so that nothing comes from it any more and no connection of it is closed."""
    command = started("--scheduler", cluster.address, folder=tmp_path / "run")
    kept(tmp_path / "run", 2)
    os.kill(cluster.workers[0].pid, signal.SIGSTOP)
    try:
        assert_done(command, tmp_path / "run", whole)
    finally:
        os.kill(cluster.workers[0].pid, signal.SIGCONT)


def test_the_scheduler_is_killed(cluster: Cluster, tmp_path: Path, whole: Path) -> None:
    command = started("--scheduler", cluster.address, folder=tmp_path / "run")
    kept(tmp_path / "run", 2)
    assert cluster.scheduler is not None
    for process in (cluster.scheduler, *cluster.workers):  # workers would end by themselves
        process.kill()
        process.wait()
    assert_told(command, f"the Dask scheduler at {cluster.address} is gone", "continues")
    held = finished(tmp_path / "run")
    assert 2 <= held < CELLS
    cluster.start_scheduler()
    cluster.start_worker()
    assert_done(
        started("--scheduler", cluster.address, folder=tmp_path / "run"), tmp_path / "run", whole
    )


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_the_coordinator_is_ended(
    ending: signal.Signals, cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    """The cluster serves the next one."""
    command = started("--scheduler", cluster.address, folder=tmp_path / "run")
    kept(tmp_path / "run", 2)
    command.send_signal(ending)
    said = command.communicate(timeout=PATIENCE)[1]
    assert command.returncode == (-9 if ending == signal.SIGKILL else 130), said
    assert 2 <= finished(tmp_path / "run") < CELLS
    assert all(worker.poll() is None for worker in cluster.workers)
    assert_done(
        started("--scheduler", cluster.address, folder=tmp_path / "run"), tmp_path / "run", whole
    )


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_the_coordinator_of_a_cluster_of_its_own_is_ended(
    ending: signal.Signals, tmp_path: Path, whole: Path
) -> None:
    """An interrupt of a terminal reaches the whole group, and nobody is left behind."""
    given = [sys.executable, "-m", "gradpareto", *SWEEP, "--out", str(tmp_path / "run")]
    command = subprocess.Popen(
        [*given, "--scheduler", "local:2"],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    kept(tmp_path / "run", 2)
    if ending == signal.SIGKILL:
        command.kill()
    else:
        os.killpg(command.pid, ending)
    said = command.communicate(timeout=PATIENCE)[1]  # until nobody holds the pipe
    if ending == signal.SIGINT:
        lines = [line for line in said.splitlines() if not line[:1].isdigit()]
        assert lines == [
            "gradpareto: interrupted; finished cells are kept, and the same command continues"
        ]
    again = started("--scheduler", "local:2", folder=tmp_path / "run")
    assert_done(again, tmp_path / "run", whole)


def other_code(folder: Path) -> Path:
    """Copy the package, with a line more in one of its modules."""
    shutil.copytree(ROOT / "gradpareto", folder / "gradpareto", symlinks=False)
    module = folder / "gradpareto" / "systems" / "lqr.py"
    module.write_text(module.read_text() + "\nMORE = 1\n")
    return folder


def test_a_worker_with_other_code_is_refused_before_the_first_cell(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    other = cluster.start_worker(env={"PYTHONPATH": str(other_code(tmp_path / "other"))})
    command = started("--scheduler", cluster.address, folder=tmp_path / "run")
    assert_told(command, "has other code: gradpareto is")
    assert finished(tmp_path / "run") == 0
    other.kill()
    other.wait()
    assert_done(
        started("--scheduler", cluster.address, folder=tmp_path / "run"), tmp_path / "run", whole
    )


def test_a_worker_with_other_code_that_joins_later_measures_nothing(
    cluster: Cluster, tmp_path: Path, whole: Path
) -> None:
    path = str(other_code(tmp_path / "other"))
    command = started("--scheduler", cluster.address, folder=tmp_path / "run")
    kept(tmp_path / "run", 1)
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    other = cluster.start_worker(env={"PYTHONPATH": path})
    assert_told(command, "has other code: gradpareto is")
    other.kill()
    other.wait()
    cluster.start_worker()
    assert_done(
        started("--scheduler", cluster.address, folder=tmp_path / "run"), tmp_path / "run", whole
    )


def test_a_scheduler_of_another_dask_is_refused(tmp_path: Path) -> None:
    preload = tmp_path / "older.py"
    preload.write_text(
        "import distributed.versions as v\n"
        "def older(pkg, known=v._version_cached):\n"
        "    return '2020.1.0' if pkg == 'distributed' else known(pkg)\n"
        "v._version_cached = older\n"
    )
    with cluster_of(tmp_path / "cluster", workers=0) as made:
        assert made.scheduler is not None
        made.scheduler.kill()
        made.scheduler.wait()
        made.start_scheduler("--preload", str(preload))
        start = time.monotonic()
        command = started("--scheduler", made.address, folder=tmp_path / "run")
        assert_told(command, "is of another version: distributed is 2020.1.0 there, and")
        assert time.monotonic() - start < 20


def test_a_task_whose_process_is_killed_is_done_again(cluster: Cluster, tmp_path: Path) -> None:
    """The process of the task is killed, and not the worker, as the system does out of memory."""
    (tmp_path / "tries").mkdir()
    with workers(1, cluster.address) as opened:
        task = opened.submit(wait_unless_there, tmp_path / "tries")
        for number in range(2):
            until(lambda number=number: len(list((tmp_path / "tries").iterdir())) > number)  # type: ignore[misc]
            os.kill(pid_of(tmp_path / "tries", number), signal.SIGKILL)
        assert task.result(PATIENCE) == "done"
    assert all(worker.poll() is None for worker in cluster.workers)


def pid_of(folder: Path, number: int) -> int:
    return int(sorted(path.name for path in folder.iterdir())[number].split()[1])


def test_a_task_that_ends_every_worker_is_given_up(cluster: Cluster) -> None:
    """The others are done; Dask itself tries a task four times."""
    with workers(1, cluster.address) as opened:
        task = opened.submit(end_the_worker)
        while not task.done():
            for worker in cluster.workers:
                if worker.poll() is not None:
                    cluster.workers.remove(worker)
                    cluster.start_worker()
                    break
            time.sleep(0.01)
        with pytest.raises(Died, match=r"was lost with its worker, 4 times"):
            task.result()
        assert opened.submit(os.getpid).result(PATIENCE)


def end_the_worker() -> None:
    """End the process whose child this one is: a worker of the cluster."""
    from multiprocessing import parent_process  # noqa: PLC0415

    found = parent_process()
    assert found is not None
    assert found.pid is not None
    os.kill(found.pid, signal.SIGKILL)
    time.sleep(PATIENCE)


def test_a_sweep_from_a_script_says_what_the_command_line_says(tmp_path: Path, cache: Path) -> None:
    plan = Plan((("lqr", "optimal"),), ("bptt",), 2, settings=(0.5,), timed=False)
    with pytest.raises(ValueError, match="neither tcp://HOST:PORT nor local:N"):
        sweep(plan, RunFolder(tmp_path / "run"), cache, Budget(scheduler="here"))
