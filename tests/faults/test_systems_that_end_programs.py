"""A system that ends the process which certifies it is left out, and the other one is measured."""

from pathlib import Path

import pandas as pd
import pytest

from tests.faults.injection import Forker

FILE = '''"""A system that misbehaves when it is solved."""

import os
import sys

import numpy as np

from gradpareto.systems import LQR, Policy, Task

I = np.eye(2)


class Mine(LQR):
    def flow(self, *given):
        {fault}
        return super().flow(*given)


PRESETS = {{"zero": lambda policy: 0.1 * np.ones(policy.size)}}
TASK = Task(Mine(I, I, I, I, I, 0.5), Policy((2, 2), ("identity",)), PRESETS)
'''
FAULTS = {
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise SystemExit(0)": "SystemExit",
    "os._exit(0)": "exit code 0",
    "os.abort()": "exit code -6",
}
SWEEP = ["sweep", "--system", "lqr", "--theta", "optimal", "--estimator", "ctpg", "--samples", "1"]


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_left_out_with_its_reason(fault: str, forking: Forker, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FILE.format(fault=fault))
    system, folder = f"{tmp_path / 'mine.py'}:TASK", tmp_path / "run"
    more = ["--system", system, "--theta", "zero", "--setting", "0.1", "--out", folder]
    ended = forking.run([*SWEEP, *more], folder)
    assert ended.status == 0, ended.said
    assert FAULTS[fault] in ended.said
    assert "Traceback" not in ended.said
    assert set(pd.read_csv(folder / "records.csv").system) == {"lqr"}
    alone = forking.run(["reference", system, "--cache", tmp_path / "cache"], folder)
    assert alone.status == 2, alone.said
    assert FAULTS[fault] in alone.said
    assert "Traceback" not in alone.said


def test_one_that_prints_what_is_no_text_is_measured(forking: Forker, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FILE.format(fault=r'print("\ud800", file=sys.stderr)'))
    system = f"{tmp_path / 'mine.py'}:TASK"
    ended = forking.run(["reference", system, "--cache", tmp_path / "cache"], tmp_path)
    assert ended.status == 0, ended.said
