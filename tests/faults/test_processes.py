"""Whatever becomes of a worker, its task has an end, and the other tasks never notice."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from gradpareto.bench.run.engines.processes import MOST_BYTES, REPEATS, Processes
from gradpareto.bench.run.engines.task import Died, Limited, TimedOut
from gradpareto.bench.run.engines.worker import TaskFault
from tests.faults.tasks import flood, last_words, print_surrogate, raise_it, wait_unless_there

PATIENCE = 120.0


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def pids_in(folder: Path) -> list[int]:
    return [int(path.name.split()[1]) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("code", [0, 1, 77])
def test_a_process_that_ends_by_itself_is_died_at_once(code: int) -> None:
    with Processes(1) as pool:
        ending, later = pool.submit(Limited(os._exit, 500.0), code), pool.submit(os.getpid)
        with pytest.raises(Died, match=f"exit code {code}$"):
            ending.result(PATIENCE)
        assert later.result(PATIENCE) != os.getpid()


def test_a_crash_is_died_and_its_last_words_are_heard(capfd: pytest.CaptureFixture[str]) -> None:
    with Processes(1) as pool, pytest.raises(Died, match=f"exit code -{int(signal.SIGABRT)}$"):
        pool.submit(last_words).result(PATIENCE)
    assert "these were its last words\n" in capfd.readouterr().err


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_task_is_repeated_when_its_worker_is_killed_from_outside(
    ending: signal.Signals, tmp_path: Path
) -> None:
    with Processes(2) as pool:
        task = pool.submit(Limited(wait_unless_there, PATIENCE), tmp_path)
        other = pool.submit(time.sleep, 0.5)
        for number in range(REPEATS):
            until(lambda number=number: len(pids_in(tmp_path)) > number)  # type: ignore[misc]
            os.kill(pids_in(tmp_path)[number], ending)
        assert task.result(PATIENCE) == "done"
        assert other.result(PATIENCE) is None
    assert len(set(pids_in(tmp_path))) == 1 + REPEATS


def test_after_two_repeats_it_is_died() -> None:
    own, killed = psutil.Process(), set[int]()
    with Processes(1) as pool:
        task = pool.submit(time.sleep, PATIENCE)
        while not task.done():
            for child in own.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    # Workers are processes of the server that this process has started.
                    if child.ppid() != own.pid and child.pid not in killed:
                        killed.add(child.pid)
                        child.kill()
        with pytest.raises(Died, match=r"exit code -9$"):
            task.result()
    assert len(killed) == 1 + REPEATS


def test_an_idle_worker_that_is_killed_is_not_missed() -> None:
    with Processes(1) as pool:
        first = pool.submit(os.getpid).result(PATIENCE)
        os.kill(first, signal.SIGKILL)
        assert pool.submit(os.getpid).result(PATIENCE) != first


def test_a_task_that_takes_too_long_is_ended() -> None:
    with Processes(1) as pool:
        first = pool.submit(os.getpid).result(PATIENCE)
        with pytest.raises(TimedOut, match=r"not finished within 0.2 s"):
            pool.submit(Limited(time.sleep, 0.2), PATIENCE).result(PATIENCE)
        until(lambda: gone(first))


def test_a_flood_is_cut_and_counted(capfd: pytest.CaptureFixture[str]) -> None:
    lines = 500_000  # 100 MB
    before = psutil.Process().memory_info().rss
    with Processes(1) as pool:
        assert pool.submit(flood, lines).result(PATIENCE) == "done"
        assert pool.submit(flood, 1).result(PATIENCE) == "done"
    assert psutil.Process().memory_info().rss - before < 50e6
    said = capfd.readouterr().err
    printed = 2 * 100 * lines - MOST_BYTES
    assert f"\ngradpareto: {printed:,} more bytes were printed here\n" in said
    assert said.endswith("x" * 99 + "\n" + "y" * 99 + "\n")
    assert len(said) < MOST_BYTES + 500


def test_a_flood_blocks_nobody_when_nobody_reads(tmp_path: Path) -> None:
    """Standard error may be a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    held = os.dup(2)
    os.dup2(writer, 2)
    try:
        with Processes(1) as pool:
            assert pool.submit(flood, 10_000).result(PATIENCE) == "done"
    finally:
        os.dup2(held, 2)
        os.close(held)
        os.close(writer)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_programs_ends_a_task(kind: type[BaseException]) -> None:
    with Processes(1) as pool:
        with pytest.raises(TaskFault, match=f"{kind.__name__}: a \ud800"):
            pool.submit(raise_it, kind, "a \ud800\nb").result(PATIENCE)
        with pytest.raises(OSError, match="nothing"):
            pool.submit(raise_it, OSError, "nothing").result(PATIENCE)
        assert pool.submit(print_surrogate).result(PATIENCE) == "done"


def test_a_pool_that_is_left_by_an_exception_leaves_nobody_behind() -> None:
    pids: list[int] = []

    def leave() -> None:
        with Processes(2) as pool:
            pids.extend(pool.submit(os.getpid).result(PATIENCE) for _ in range(8))
            for _ in range(4):
                pool.submit(time.sleep, PATIENCE)
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert time.monotonic() - started < PATIENCE / 2
    assert all(map(gone, pids))
    assert not [one for one in threading.enumerate() if "_look_after" in one.name]
