"""A sweep that is killed at any moment of its writing, or at any other, ends as an unbroken one."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.injection import (
    KILLED,
    Ended,
    Forker,
    assert_same_records,
    chosen,
    names_in,
    refused_in_one_line,
    small_disk,
)
from tests.faults.test_interrupts import PATIENCE, SWEEP, in_group, started

PARETO = ["pareto", *SWEEP[1:5], "--estimator", "ctpg", "--samples", "2"]
REDRAW = ["pareto", "--redraw"]
MORE = [*SWEEP, "--setting", "0.05"]


def run(forking: Forker, arguments: list[str], folder: Path, moment: int = 0) -> Ended:
    return forking.run([*arguments, "--out", folder], folder, moment)


@pytest.fixture(scope="module")
def published(forking: Forker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder without its store, as runs are published."""
    folder = tmp_path_factory.mktemp("published") / "run"
    ended = run(forking, SWEEP, folder)
    assert ended.status == 0, ended.said
    for name in set(names_in(folder)) & {"cells.sqlite", "lock", ".lock"}:
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize(
    ("arguments", "from_published", "count"),
    [(SWEEP, False, 8), (MORE, True, 8), (REDRAW, True, 6)],
    ids=["sweep", "into a published run", "draw"],
)
def test_a_kill_at_any_moment_of_writing(
    arguments: list[str],
    from_published: bool,
    count: int,
    forking: Forker,
    published: Path,
    tmp_path: Path,
) -> None:
    def begin(folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        if from_published:
            shutil.copytree(published, folder)
        return folder

    whole, folder = begin(tmp_path / "whole"), tmp_path / "run"
    unbroken = run(forking, arguments, whole)
    assert unbroken.status == 0, unbroken.said
    assert unbroken.moments is not None
    for moment in chosen(unbroken.moments, count):
        killed = run(forking, arguments, begin(folder), moment)
        if killed.moments is not None:  # the order of cells differs, and with it their number
            continue
        assert killed.status == KILLED, killed.said
        again = run(forking, arguments, folder)
        assert again.status == 0, f"after moment {moment}: {again.said}"
        assert_same_records(folder, whole)
        assert names_in(folder) == names_in(whole), f"after moment {moment}"


def test_kills_at_random_moments(tmp_path: Path) -> None:
    """The whole group is killed, or the command alone, whose workers then end by themselves."""
    rng, folder = random.Random(1), tmp_path / "run"
    whole = started([*SWEEP, "--out", str(tmp_path / "whole")], tmp_path / "said")
    assert whole.process.wait(PATIENCE) == 0
    longest = 1.0
    while True:
        command = started([*SWEEP, "--out", str(folder)], tmp_path / "said")
        time.sleep(rng.uniform(0, longest))
        if rng.random() < 0.5:
            command.send(signal.SIGKILL)
        else:
            command.process.kill()
        ended = command.process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while in_group(command.process.pid):
            assert time.monotonic() < deadline, "workers outlive their command"
            time.sleep(0.01)
        if ended == 0:
            break
        longest *= 1.2
    assert_same_records(folder, tmp_path / "whole")
    assert names_in(folder) == names_in(tmp_path / "whole")


@pytest.mark.parametrize(
    ("arguments", "from_published"),
    [(SWEEP, False), (MORE, True), (REDRAW, True)],
    ids=["sweep", "into a published run", "draw"],
)
def test_a_disk_that_is_full_from_some_moment(
    arguments: list[str], from_published: bool, forking: Forker, published: Path, tmp_path: Path
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    if from_published:
        shutil.copytree(published, whole)
    unbroken = run(forking, arguments, whole)
    assert unbroken.moments is not None
    for moment in chosen(unbroken.moments, 6):
        shutil.rmtree(folder, ignore_errors=True)
        if from_published:
            shutil.copytree(published, folder)
        full = forking.run([*arguments, "--out", folder], folder, moment, full=True)
        if full.status:
            refused_in_one_line(full)
        again = run(forking, arguments, folder)
        assert again.status == 0, f"after moment {moment}: {again.said}"
        assert_same_records(folder, whole)
        assert names_in(folder) == names_in(whole), f"after moment {moment}"


@pytest.mark.parametrize("size", [4096, 16384, 65536, 262144])
def test_a_small_disk(size: int, forking: Forker, published: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        ended = run(forking, SWEEP, disk / "run")
        if ended.status:
            refused_in_one_line(ended)
            subprocess.run(["mount", "-o", "remount,size=64M", str(disk)], check=True)
            ended = run(forking, SWEEP, disk / "run")
        assert ended.status == 0, ended.said
        assert_same_records(disk / "run", published)
