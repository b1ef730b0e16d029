"""A real Dask cluster of processes on this machine, whose parts a test can end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).parents[1]
PATIENCE = 120.0
QUICK = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "3s"}
"""A worker that says nothing for as long as this is given up."""


@dataclass
class Cluster:
    """A scheduler and its workers, each with one thread and no nanny."""

    folder: Path
    port: int = 0
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self, *more: str) -> None:
        """Start the scheduler, at the port that it had before if it had one."""
        where = self.folder / "scheduler.json"
        where.unlink(missing_ok=True)
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        options += ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(where)]
        self.scheduler = self._started("scheduler", *options, *more)
        until(lambda: where.exists() and where.read_text().endswith("}"))
        address = json.loads(where.read_text())["address"]
        self.port = int(address.rpartition(":")[2])

    def start_worker(
        self, *more: str, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until it has joined."""
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        options += ["--dashboard-address", "127.0.0.1:0"]
        place = ["--local-directory", str(self.folder)]
        worker = self._started("worker", self.address, *options, *place, *more, env=env)
        self.workers.append(worker)
        count = sum(one.poll() is None for one in self.workers)
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=PATIENCE)
        return worker

    def stop(self) -> None:
        """End all parts."""
        for process in (*self.workers, *([self.scheduler] if self.scheduler else [])):
            process.kill()
            process.wait()

    def _started(
        self, part: str, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{part}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", part, *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ | QUICK | {"PYTHONPATH": str(ROOT)} | (env or {}),
            )


@contextmanager
def cluster_of(folder: Path, workers: int) -> Iterator[Cluster]:
    """Start a cluster, and end it afterwards."""
    folder.mkdir(exist_ok=True)
    made = Cluster(folder)
    try:
        made.start_scheduler()
        for _ in range(workers):
            made.start_worker()
        yield made
    finally:
        made.stop()


def until(holds: object) -> None:
    """Wait until a function returns what is true."""
    deadline = time.monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
