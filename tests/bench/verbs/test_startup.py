"""Starting up imports and starts little: held by structure, since times depend on the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from gradpareto.bench.run import sweep as sweeping
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.engines.task import Workers
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder

ROOT = Path(__file__).parents[3]
DRAWING = {"matplotlib", "seaborn"}
SOLVING = {"scipy.integrate", "scipy.interpolate", "scipy.linalg", "scipy.optimize", "scipy.stats"}
TABLES = {"pandas", "moocore", "rich"}
NUMBERS = {"numpy", "scipy", "gradpareto.systems", "gradpareto.estimators", "gradpareto.reference"}


def imported_by(code: str) -> set[str]:
    """The modules that a process has imported after it ran some code."""
    script = f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stderr.split())


def test_the_help_imports_no_verb_and_no_numbers() -> None:
    found = imported_by(
        "from gradpareto.bench.verbs.cli import cli; cli(['--help'], None, None, 0)"
    )
    verbs = {name for name in found if name.startswith("gradpareto.bench.verbs.")}
    assert verbs == {"gradpareto.bench.verbs.cli"}
    assert not found & (DRAWING | SOLVING | TABLES | NUMBERS)


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("gradpareto", DRAWING | SOLVING | TABLES | NUMBERS),
        ("gradpareto.systems", DRAWING | SOLVING | TABLES),
        ("gradpareto.estimators", DRAWING | SOLVING | TABLES | {"scipy.special", "scipy.sparse"}),
        ("gradpareto.reference", DRAWING | SOLVING | TABLES),
        ("gradpareto.bench.run.engines.processes", DRAWING | SOLVING | TABLES | NUMBERS),
        ("gradpareto.bench.run.measure", DRAWING | SOLVING | TABLES),
        ("gradpareto.bench.run.report", DRAWING | SOLVING | TABLES | NUMBERS),
        ("gradpareto.bench.verbs.sweep", DRAWING | SOLVING),
        ("gradpareto.bench.verbs.list", DRAWING | SOLVING),
    ],
)
def test_a_module_imports_what_it_needs_and_no_more(module: str, without: set[str]) -> None:
    needless = imported_by(f"import {module}") & without
    assert not needless


def test_no_more_workers_start_than_there_are_cells(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cell has a worker all the same, which its time-out can end."""
    started = []
    workers_of = sweeping.workers

    def spied(jobs: int, scheduler: str | None) -> Workers:
        started.append(jobs)
        return workers_of(jobs, scheduler)

    monkeypatch.setattr(sweeping, "workers", spied)
    plan = Plan((("lqr", "optimal"),), ("bptt",), samples=1, settings=(0.5,), timed=False)
    sweep(plan, RunFolder(tmp_path / "run"), cache, Budget(jobs=3))
    assert started == [1]
