"""Runs the command line with a fault at a chosen moment of its writing."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

HERE = Path(__file__).parent
KILLED = -9


@dataclass(frozen=True)
class Ended:
    """How a command line ended: its status, what it said, and its moments if it ended by itself."""

    status: int
    said: str
    moments: int | None


@dataclass
class Forker:
    """A process that runs command lines in forks of itself; see `forking.py`."""

    process: subprocess.Popen[str]
    scratch: Path

    def run(
        self, arguments: list[object], folder: Path, moment: int = 0, full: bool = False
    ) -> Ended:
        """Run a command line, with a fault at a moment of what it writes below `folder`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        output, count = self.scratch / "output", self.scratch / "count"
        output.unlink(missing_ok=True)
        count.unlink(missing_ok=True)
        given = [str(argument) for argument in arguments]
        request = [given, str(folder.resolve()), moment, full, str(output), str(count)]
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the forking process has ended"
        moments = int(count.read_text()) if count.exists() else None
        return Ended(int(answer), output.read_text(errors="replace"), moments)


def faulty_library(folder: Path) -> Path:
    """Build the library that injects faults; skip the test where no C compiler can."""
    library = folder / "faulty_files.so"
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("faults are injected on Linux, where there is a C compiler")
    source = HERE / "faulty_files.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


@contextmanager
def forker(scratch: Path) -> Iterator[Forker]:
    """Start a process that runs command lines, and end it afterwards."""
    environment = os.environ | {"LD_PRELOAD": str(faulty_library(scratch))}
    with subprocess.Popen(
        [sys.executable, str(HERE / "forking.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=HERE.parents[1],
    ) as process:
        yield Forker(process, scratch)
        assert process.stdin is not None
        process.stdin.close()


def names_in(folder: Path) -> list[str]:
    """List everything in a folder, and below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_same_records(found: Path, whole: Path) -> None:
    """Assert that two folders have the same records, but for times and memory.

    The first cell of a process takes some kB more than it would later.
    """
    measured = ["wall_s", "seconds", "wall_ratio", "wall_ratio_spread"]
    measured += ["stored_bytes", "peak_bytes"]
    one, other = (
        pd.read_csv(folder / "records.csv").drop(columns=measured, errors="ignore")
        for folder in (found, whole)
    )
    pd.testing.assert_frame_equal(one, other)


def chosen(moments: int, count: int) -> list[int]:
    """Choose that many of the moments 1, 2, ..., evenly; all if GRADPARETO_FAULTS=all is set."""
    if os.environ.get("GRADPARETO_FAULTS") == "all":
        count = moments
    return sorted({1 + round(k * (moments - 1) / max(count - 1, 1)) for k in range(count)})


def refused_in_one_line(ended: Ended, *words: str) -> None:
    """Assert status 2 and one line of complaint with these words; lines of progress may precede."""
    assert ended.status == 2, ended.said
    lines = [line for line in ended.said.splitlines() if not line[:1].isdigit()]
    assert len(lines) == 1, ended.said
    assert lines[0].startswith("gradpareto: "), ended.said
    for word in words:
        assert word in lines[0]


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of that many bytes; skip the test where only the superuser may."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("a small disk is mounted by the superuser")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
