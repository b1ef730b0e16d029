"""Published cells are measured again: numbers that nobody can reproduce are not published."""

import hashlib
from pathlib import Path

import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.verification import draw_cells, verify
from gradpareto.bench.store.records import RunFolder
from gradpareto.systems import TASKS

RUNS = Path(__file__).parents[2] / "results"
DRAWN = 40
"""The cells of a run that are measured again, nearly."""
EXPENSIVE = ("lorenz", "cartpole", "mujoco_cartpole")
"""Systems whose references take minutes to certify."""


@pytest.mark.parametrize("run", ["default"])  # a cell of the field may take 15 s
def test_cells_drawn_from_a_published_run_reproduce(run: str, cache: Path, tmp_path: Path) -> None:
    """The draw depends on all of the records, so that it cannot be known before they are made."""
    folder = RunFolder(RUNS / run)
    seed = int(hashlib.sha256(folder.records_path.read_bytes()).hexdigest()[:8], 16)
    affordable = [name for name in TASKS if name not in EXPENSIVE]
    held = draw_cells(folder, 1.0, seed, affordable).held
    plan = draw_cells(folder, DRAWN / held, seed, affordable)
    found = verify(folder, plan, RunFolder(tmp_path / "again"), cache, Budget(jobs=1))
    assert found.differences.empty, found.differences.to_string()
