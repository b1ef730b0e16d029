"""A run folder on a full disk, in two hands at once, and after a writer was killed."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.lock import locked
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from tests.bench.conftest import ROOT, SMALL

ANOTHER = """
import sys
from pathlib import Path
from gradpareto.bench.store.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    """A process that holds the lock of a folder, until it is given a line or is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", ANOTHER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_waits_and_says_so_and_goes_on_when_the_first_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with holder(tmp_path) as first:
        threading.Timer(0.5, first.kill).start()
        started = time.monotonic()
        with locked(tmp_path):
            assert time.monotonic() - started > 0.4
    told = f"another process measures into {tmp_path}: waiting until it has ended\n"
    assert capsys.readouterr().err == told
    with locked(tmp_path):
        assert capsys.readouterr().err == ""


def test_the_second_sweep_measures_only_what_the_first_did_not(
    small_run: RunFolder, tmp_path: Path, cache: Path
) -> None:
    """The first finishes a cell of four, which the second has not seen when it starts."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    measured: list[str] = []

    def second() -> None:
        sweep(SMALL, folder, cache, Budget(jobs=1), lambda name, *_: measured.append(name))

    waiting = threading.Thread(target=second)
    done = small_run.read_cells()
    with folder.opened(SMALL.shared()), folder.cells() as store:
        waiting.start()
        time.sleep(0.3)
        own = done[(done.estimator == "bptt") & (done.setting == 0.25)]
        with store.transaction():
            store.put(("lqr", "optimal", "bptt", 0.25), own.to_numpy().tolist())
    waiting.join(60)
    assert not waiting.is_alive()
    assert len([name for name in measured if not name.startswith("reference")]) == 3
    assert len(folder.read_cells()) == 8


def test_what_a_killed_writer_left_is_removed_and_what_a_live_one_writes_is_not(
    tmp_path: Path,
) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.opened({"samples": 1, "seed": 0}), folder.cells():
        pass
    (folder.path / "limits").mkdir()
    dead = [folder.path / ".records.csv.tmp", folder.path / "limits" / ".lqr.optimal.csv.tmp"]
    for path in dead:
        path.write_text("half a file")
    alive = folder.path / ".table.csv.tmp"
    script = f"""
import sys
from pathlib import Path
from gradpareto.whole_file import replacing
with replacing(Path({str(folder.path / "table.csv")!r})):
    print("written", flush=True)
    sys.stdin.readline()
"""
    command = [sys.executable, "-c", script]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **streams, text=True, cwd=ROOT) as writer:  # type: ignore[call-overload]
        assert writer.stdout.readline() == "written\n"
        with folder.opened({}):
            assert not any(path.exists() for path in dead)
            assert alive.exists()
        writer.communicate("\n")
    assert (folder.path / "table.csv").exists()


FULL = """
import resource, sys
from gradpareto.bench.verbs.cli import main
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
main()
"""


@pytest.mark.parametrize("most", [100, 1500, 20_000])
def test_files_that_cannot_grow_end_a_command_in_one_line_and_lose_nothing(
    most: int, small_run: RunFolder, tmp_path: Path
) -> None:
    """The kernel refuses to write beyond a number of bytes, as it would on a full disk."""
    folder = RunFolder(shutil.copytree(small_run.path, tmp_path / "run"))
    folder.store_path.unlink()
    records = folder.records_path.read_bytes()
    more = ("--setting", "0.125", "--samples", "2", "--jobs", "1", "--theta", "optimal")
    command = ["sweep", "--system", "lqr", "--estimator", "bptt", *more, "--out", str(folder.path)]
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(most), *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if not line[:1].isdigit()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("gradpareto: cannot ")
    assert folder.records_path.read_bytes() == records
    assert len(folder.read_cells()) >= 8
    assert not list(folder.path.glob(".*.tmp"))


def test_a_lock_that_is_no_file_is_refused(tmp_path: Path) -> None:
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir):
        make(tmp_path / ".lock")
        with pytest.raises(UnusableFolder, match="cannot lock"), locked(tmp_path):
            pass
        (tmp_path / ".lock").rmdir() if make is os.mkdir else (tmp_path / ".lock").unlink()
