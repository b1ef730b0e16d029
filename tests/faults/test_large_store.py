"""A run of very many cells: how long it takes to write, to go on with and to read, in what memory.

`python -m tests.faults.test_large_store FOLDER CELLS` prints the numbers for another size.
"""

import json
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradpareto.bench.run.plan import Plan
from gradpareto.bench.store.cells import CellStore, checksum, make_store
from gradpareto.bench.store.record import COLUMNS
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.records_csv import rows_text
from tests.bench.conftest import record

SAMPLES = 16
ESTIMATORS = ("bptt", "bptt-rk4", "bptt-dop853", "ctpg", "ctpg-dop853")
MEASURE = """
import json, resource, sys, time
from pathlib import Path
{imports}
start = time.process_time()
{work}
seconds = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, peak * 1024]))
"""
READ = "from gradpareto.bench.store.records import RunFolder", "RunFolder(sys.argv[1]).read_cells()"
GO_ON = (
    "from tests.faults.test_large_store import plan_of\n"
    "from gradpareto.bench.run.sweep import fill\n"
    "from gradpareto.bench.store.records import RunFolder",
    "fill(plan_of(int(sys.argv[2])), RunFolder(sys.argv[1]), "
    "report=lambda *_: sys.exit('measured a cell'))",
)


def plan_of(cells: int) -> Plan:
    """Plan a number of cells, on one problem."""
    settings = tuple(1.0 + k for k in range(cells // len(ESTIMATORS)))
    return Plan((("lqr", "optimal"),), ESTIMATORS, SAMPLES, True, settings, timed=False)


def template(estimator: str) -> bytes:
    """The records of a cell, as text; the setting is 0.125."""
    blank = record(estimator, 0.125, 0, 4096, 0.1)
    rows = [
        replace(
            blank,
            sample=sample,
            loss=1.0 / 3 + sample,
            abs_error_x0=blank.abs_error,
            abs_error_theta=0.0,
            stored_bytes=1e5 / 3,
            peak_bytes=2e5 / 3,
            wall_s=1e-3 / 3,
            wall_ratio=1.7 / 3,
            wall_ratio_spread=0.1 / 3,
        )
        for sample in range(SAMPLES)
    ]
    return rows_text([[getattr(row, name) for name in COLUMNS] for row in rows])


def make(path: Path, cells: int) -> RunFolder:
    """Make a run of a number of finished cells, all of which the plan has."""
    plan, folder = plan_of(cells), RunFolder(path)
    folder.path.mkdir()
    folder.write_provenance({"schema": 4, "shared": plan.shared(), "sessions": []})
    texts = {name: template(name) for name in ESTIMATORS}

    def rows() -> Iterator[tuple[object, ...]]:
        for setting in plan.settings:
            for name in ESTIMATORS:
                known = ("lqr", "optimal", name, setting, SAMPLES, 0)
                text = texts[name].replace(b",0.125,", b",%r," % setting)
                yield (*known, checksum(known, text), zlib.compress(text, 1))

    def fill(store: CellStore) -> None:
        places = ", ".join("?" * 8)
        store._connection.executemany(f"INSERT INTO cells VALUES ({places})", rows())

    folder.store_path.touch()
    make_store(folder.store_path, fill)
    return folder


def measured(code: tuple[str, str], *arguments: object) -> tuple[float, float]:
    """Seconds of its processor, and peak bytes, of a piece of work in a process of its own."""
    script = MEASURE.format(imports=code[0], work=code[1])
    command = [sys.executable, "-c", script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    seconds, peak = json.loads(result.stdout.splitlines()[-1])
    return seconds, peak


def seconds_a_cell(folder: RunFolder, cells: int) -> float:
    """Seconds in which a sweep keeps a finished cell, each in a transaction of its own."""
    rows = [record("bptt", 0.125, sample, 4096, 0.1) for sample in range(SAMPLES)]
    with folder.opened({}), folder.cells() as store:
        batches = []
        for batch in range(5):  # the fastest, since others may use the machine
            start = time.perf_counter()
            for k in range(cells // 5):
                setting = 0.5 + (batch + k / cells) / 16
                key = ("lqr", "perturbed", "bptt", setting)
                store.write(key, [replace(row, setting=setting) for row in rows])
            batches.append((time.perf_counter() - start) / (cells // 5))
        return min(batches)


@pytest.mark.slow
def test_a_million_records_are_read_in_ten_seconds_and_a_gigabyte(tmp_path: Path) -> None:
    """From the store, and from records.csv where there is none."""
    folder = make(tmp_path / "run", 62_500)
    with folder.opened({}), folder.cells() as store:
        folder.publish(store)
    for _ in range(2):
        seconds, peak = measured(READ, folder.path)
        assert seconds < 10
        assert peak < 1e9
        folder.store_path.unlink(missing_ok=True)


@pytest.mark.slow
def test_a_sweep_goes_on_with_many_cells_at_once_and_in_bounded_memory(tmp_path: Path) -> None:
    """A tenth of 10^6 cells, within a tenth of 20 s and of what 500 MB leave of an import."""
    folder = make(tmp_path / "run", 100_000)
    with folder.opened({}), folder.cells() as store:
        folder.publish(store)
    seconds, peak = measured(GO_ON, folder.path, 100_000)
    assert seconds < 10
    assert peak < 300e6
    assert seconds_a_cell(folder, 1000) < 2e-3
    assert len(list(folder.path.rglob("*"))) < 10


def main(path: Path, cells: int) -> None:
    """Print what a run with this number of cells costs."""
    start = time.perf_counter()
    folder = make(path, cells)
    print(f"made {cells:,} cells of {SAMPLES} rows in {time.perf_counter() - start:.0f} s")
    print(f"the store has {folder.store_path.stat().st_size / 1e6:,.0f} MB")
    for what in ("first sweep, which makes records.csv", "next sweep"):
        seconds, peak = measured(GO_ON, path, cells)
        print(f"{what}: {seconds:.1f} s, {peak / 1e6:,.0f} MB at most")
    print(f"a cell is written in {1e3 * seconds_a_cell(folder, 2000):.2f} ms")
    print(f"records.csv has {folder.records_path.stat().st_size / 1e6:,.0f} MB")
    print(f"{len(list(folder.path.rglob('*')))} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
