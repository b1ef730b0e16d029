"""The page's example runs as it stands, but for the names that each cluster has for its parts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder
from tests.cluster import PATIENCE, ROOT, until

PAGE = ROOT / "results" / "many-machines.md"
OF_A_CLUSTER = {
    '"ib0"': '"lo"',
    "cores=16": "cores=2",
    "processes=16": "processes=2",
    "jobs=4": "jobs=1",
    '"source .venv/bin/activate"': "",
}
SBATCH = """#!/bin/sh
job=$(mktemp "$0.XXXXXX")
cp "$1" "$job"  # as it is removed once it is submitted
setsid sh "$job" >> "$0.log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = "#!/bin/sh\nkill -TERM -- -$1\n"


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """An environment in which the commands of SLURM run jobs on this machine."""
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def test_the_example_measures_on_the_workers_of_a_job(
    slurm: dict[str, str], tmp_path: Path, cache: Path
) -> None:
    found = re.search(
        r"<!-- example: slurm.py -->\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL
    )
    assert found is not None
    script = found[1]
    for name, here in OF_A_CLUSTER.items():
        assert name in script
        script = script.replace(name, here)
    (tmp_path / "slurm.py").write_text(script)
    address = tmp_path / "address"
    with address.open("w") as file:
        started = subprocess.Popen(
            [sys.executable, "slurm.py"], cwd=tmp_path, env=slurm, stdout=file, text=True
        )
    try:
        until(lambda: address.read_text().endswith("\n"))
        plan = Plan((("lqr", "optimal"),), ("bptt",), 2, settings=(0.5, 0.25), timed=False)
        budget = Budget(scheduler=address.read_text().strip())
        records = sweep(plan, RunFolder(tmp_path / "run"), cache, budget)
        assert list(records.status) == ["ok"] * 4
    finally:
        started.terminate()  # as `kill %1` does
        assert started.wait(PATIENCE) == 0
