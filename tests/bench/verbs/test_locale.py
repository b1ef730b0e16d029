"""Names beyond ASCII in a locale that has nothing else."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradpareto.bench.verbs import cli
from gradpareto.bench.verbs.terminal import wide_console
from tests.bench.conftest import ROOT
from tests.bench.plugins.test_entry_points import OFFER

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
MORE = 'TASK = Task(Tank(), TASK.policy, {"größer": TASK.presets["only"]})\n'


@pytest.fixture
def tank(tmp_path: Path) -> Path:
    """A system whose preset and whose folder are named beyond ASCII."""
    path = tmp_path / "Gefäß" / "tank.py"
    path.parent.mkdir()
    path.write_text(OFFER + MORE, encoding="utf-8")
    return path


def call(cache: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "gradpareto", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"GRADPARETO_CACHE": str(cache)} | environment,
        capture_output=True,
        timeout=300,
        check=False,
    )


def test_a_preset_is_named_and_printed(tank: Path, cache: Path) -> None:
    asked = ("reference", f"{tank}:TASK", "--samples", 1, "--theta")
    result = call(cache, *asked, "größer", **ASCII)
    assert result.returncode == 0, result.stderr
    assert result.stdout.decode().startswith("tank (größer): of 1 samples 1 certified")
    result = call(cache, *asked, "größter", **ASCII)
    assert result.returncode == 2
    assert result.stderr.decode().endswith("did you mean 'größer'?\n")


def test_a_table_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed, encoding="ascii"))
    monkeypatch.setattr("sys.argv", ["gradpareto", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    wide_console().print("tank (größer)")
    sys.stdout.flush()
    assert rb"tank (gr\xf6\xdfer)" in printed.getvalue()


def test_a_folder_of_another_locale_is_sound(tank: Path, cache: Path, tmp_path: Path) -> None:
    cell = ("--estimator", "bptt", "--setting", 0.5, "--samples", 1, "--jobs", 1)
    asked = ("sweep", "--system", f"{tank}:TASK", *cell, "--out", tmp_path / "Läufe")
    for environment in ({"PYTHONUTF8": "1"}, ASCII):
        result = call(cache, *asked, **environment)
        assert result.returncode == 0, result.stderr
        assert b"1 records, 0 of them failures" in result.stdout
        # Without its cells, the run is read from the table.
        (tmp_path / "Läufe" / "cells.sqlite").unlink()
