"""A sweep into a disk that is full: one line, and what was measured is kept."""

import subprocess
from pathlib import Path

import pytest

from gradpareto.bench.store.records import RunFolder
from tests.bench.conftest import run
from tests.faults.injection import small_disk

__all__ = ["run"]  # a fixture


@pytest.mark.slow
def test_a_full_disk_ends_a_sweep_in_one_line_and_the_next_goes_on(  # type: ignore[no-untyped-def]
    tmp_path: Path, cache: Path, run
) -> None:
    with small_disk(tmp_path / "disk", 160_000) as disk:
        sweeping = ("sweep", "--system", "lqr", "--theta", "optimal", "--cache", cache)
        more = ("--estimator", "bptt", "--samples", 16, "--jobs", 1, "--out", disk / "run")
        result = run(*sweeping, *more)
        assert result.returncode == 2, result.stderr
        lines = [line for line in result.stderr.splitlines() if not line[:1].isdigit()]
        assert len(lines) == 1, result.stderr
        kept = len(RunFolder(disk / "run").read_cells())
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        result = run(*sweeping, *more)
        assert result.returncode == 0, result.stderr
        assert len(RunFolder(disk / "run").read_cells()) > kept
