"""A sweep into a disk that is full: one line, and what was measured is kept."""

import os
import subprocess
from pathlib import Path

import pytest

from gradpareto.bench.store.records import RunFolder
from tests.bench.conftest import run

__all__ = ["run"]  # a fixture


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_ends_a_sweep_in_one_line_and_the_next_goes_on(
    tmp_path: Path,
    cache: Path,
    run,  # type: ignore[no-untyped-def]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts no disk")
    try:
        sweeping = ("sweep", "--system", "lqr", "--theta", "optimal", "--cache", cache)
        more = ("--estimator", "bptt", "--samples", 16, "--workers", 1, "--out", disk / "run")
        result = run(*sweeping, *more)
        assert result.returncode == 2, result.stderr
        lines = [line for line in result.stderr.splitlines() if not line[:1].isdigit()]
        assert len(lines) == 1, result.stderr
        kept = len(RunFolder(disk / "run").read_cells())
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        result = run(*sweeping, *more)
        assert result.returncode == 0, result.stderr
        assert len(RunFolder(disk / "run").read_cells()) > kept
    finally:
        subprocess.run(["umount", str(disk)], check=True)
