"""The process of a cell of a plug-in: it is killed, it leaves children, or its worker ends."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from gradpareto.bench.plugins import PLUGINS, resolve
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.engines.processes import REPEATS
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS

HEAD = """
import os, signal, sys, time
from pathlib import Path
from gradpareto.estimators import ESTIMATORS

HERE = Path(__file__).parent

def note():
    with open(HERE / "pids", "a") as file:
        file.write(f"{os.getpid()}\\n")

def mine(problem, x0, setting):
    note()
    BODY
    return ESTIMATORS["bptt"](problem, x0, setting)
mine.knob, mine.tight = "step", 0.01
"""
Measure = Callable[..., pd.DataFrame]


@pytest.fixture
def measured(tmp_path: Path, cache: Path) -> Iterator[Measure]:
    """Measure a plug-in whose calls begin with a statement, in one cell that is not timed."""
    before, plugins = dict(ESTIMATORS), dict(PLUGINS)

    def measure(body: str, more: str = "", seconds: float = 60.0) -> pd.DataFrame:
        (tmp_path / "guest.py").write_text(HEAD.replace("BODY", body) + more)
        names = resolve(f"{tmp_path / 'guest.py'}:mine")
        (tmp_path / "pids").unlink(missing_ok=True)
        plan = Plan((("lqr", "optimal"),), names, samples=1, settings=(0.5,), timed=False)
        return sweep(plan, RunFolder(tmp_path / "run"), cache, Budget(seconds, jobs=1))

    yield measure
    ESTIMATORS.clear()
    ESTIMATORS.update(before)
    PLUGINS.clear()
    PLUGINS.update(plugins)


def pids(folder: Path) -> list[int]:
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.is_file() else []


def test_a_process_that_is_killed_from_outside_is_started_again(
    measured: Measure, tmp_path: Path
) -> None:
    first = "(HERE / 'once').exists() or ((HERE / 'once').touch(), os.kill(os.getpid(), 9))"
    rows = measured(first)
    assert list(rows.status) == ["ok"]
    assert len(set(pids(tmp_path))) == 2


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_is_killed_again_and_again_has_died(
    measured: Measure, tmp_path: Path, ending: int
) -> None:
    rows = measured(f"os.kill(os.getpid(), {int(ending)}); time.sleep(9)")
    assert list(rows.status) == ["died"]
    assert f"exit code -{int(ending)}" in rows.reason[0]
    assert len(set(pids(tmp_path))) == 1 + REPEATS


@pytest.mark.parametrize(
    ("body", "code"), [("os._exit(0)", "0"), ("os._exit(9)", "9"), ("os.abort()", "-6")]
)
def test_one_that_ends_itself_has_died_at_once(
    measured: Measure, tmp_path: Path, body: str, code: str
) -> None:
    rows = measured(body)
    assert list(rows.status) == ["died"]
    assert rows.reason[0].endswith(f"exit code {code}")
    assert len(set(pids(tmp_path))) == 1


def test_children_that_stay_do_not_keep_a_cell_waiting(measured: Measure) -> None:
    started = time.monotonic()
    rows = measured("pass", "if os.fork() == 0:\n    time.sleep(120)\n    os._exit(0)\n")
    assert list(rows.status) == ["ok"]
    assert time.monotonic() - started < 60


def test_one_that_does_not_come_back_is_ended(measured: Measure, tmp_path: Path) -> None:
    rows = measured("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", seconds=3)
    assert list(rows.status) == ["timeout"]
    assert rows.reason[0] == "not finished within 3 s"
    assert not any(psutil.pid_exists(pid) for pid in pids(tmp_path))


def test_it_ends_with_its_worker(measured: Measure, tmp_path: Path) -> None:
    """The worker is killed three times, as the process that measures, and the cell has died."""
    ended: list[int] = []

    def kill() -> None:
        while len(ended) < 1 + REPEATS:
            time.sleep(0.05)
            for pid in set(pids(tmp_path)) - set(ended):
                ended.append(pid)
                # The worker is the process that waits for this one: the pool's only one.
                for child in psutil.Process().children(recursive=True):
                    if child.pid != pid and child.ppid() != os.getpid():
                        child.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    rows = measured("time.sleep(600)")
    assert list(rows.status) == ["died"]
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(pid) for pid in ended) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(psutil.pid_exists(pid) for pid in ended)
