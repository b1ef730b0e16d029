"""Synthetic records, and one small real run that several modules read."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.run.unmeasured import blank_record
from gradpareto.bench.store.record import COLUMNS, Cell, Record
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs import cli
from gradpareto.estimators import ESTIMATORS

ROOT = Path(__file__).parents[2]
MakeRecords = Callable[..., pd.DataFrame]


def record(estimator: str, setting: float, sample: int, evals: int, error: float) -> Record:
    """A record of a unit gradient, all numbers of which are given or harmless."""
    blank = blank_record(Cell("lqr", "optimal", estimator, setting, 1), ESTIMATORS[estimator], 0)
    return replace(
        blank,
        sample=sample,
        f_evals=evals // 2,
        vjp_evals=evals - evals // 2,
        evals=evals,
        abs_error=error,
        rel_error=error,
        reference_uncertainty=1e-15,
    )


def table(records: list[Record]) -> pd.DataFrame:
    return pd.DataFrame([asdict(one) for one in records], columns=COLUMNS)


@pytest.fixture
def power_law() -> MakeRecords:
    """Records of an estimator whose error is constant * evals ** -order, on some samples."""

    def make(
        estimator: str, constant: float, order: float, samples: int = 8, rungs: int = 12
    ) -> pd.DataFrame:
        rng = np.random.default_rng(1)
        jitter = np.exp(0.1 * rng.standard_normal(samples))
        rows = [
            record(estimator, 1 / 2**k, s, 8 * 2**k, constant * jitter[s] * (8.0 * 2**k) ** -order)
            for k in range(rungs)
            for s in range(samples)
        ]
        return table(rows)

    return make


SMALL = Plan((("lqr", "optimal"),), ("bptt", "ctpg"), samples=2, settings=(0.5, 0.25))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunFolder:
    """A finished sweep of two estimators on the LQR; tests read it and copy it, never write."""
    folder = RunFolder(tmp_path_factory.mktemp("run") / "small")
    sweep(SMALL, folder, cache, Budget(jobs=1))
    return folder


def without_checksums(run: RunFolder, path: Path) -> RunFolder:
    """Copy a run as schema 3 published it, so that any record can be written into it."""
    folder = RunFolder(shutil.copytree(run.path, path))
    folder.store_path.unlink()
    folder.checksums_path.unlink()
    folder.write_provenance(folder.provenance() | {"schema": 3})
    return folder


@pytest.fixture
def run():  # type: ignore[no-untyped-def]
    """Call `python -m gradpareto` with arguments; the result has returncode, stdout and stderr."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gradpareto", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call the command line in this process; the result is as that of `run`, and comes sooner."""
    monkeypatch.chdir(ROOT)

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        given = list(map(str, arguments))
        monkeypatch.setattr("sys.argv", ["gradpareto", *given])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(given, int(ended.value.code or 0), said.out, said.err)

    return call


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line, no traceback, status 2."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line[:1].isdigit()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("gradpareto: ")
    for word in words:
        assert word in lines[0]
