"""Tells how far a sweep is, what has failed and how long is left: a bar, or plain lines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gradpareto.bench.run.report import Report

LINES = 20
"""Plain lines a stage has at most, so that a log stays readable."""
COLUMNS = (
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("{task.fields[failed]}"),
    TimeElapsedColumn(),
    TextColumn("left:"),
    TimeRemainingColumn(),
    TextColumn("{task.description}"),
)


@contextmanager
def progress() -> Iterator[Report]:
    """A report for `bench.run.sweep.sweep`, written to standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Progress(*COLUMNS, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, failed="")

        def report(name: str, done: int, total: int, failures: int = 0, /) -> None:
            failed = _failed(failures)
            bar.update(task, description=name, completed=done, total=total, failed=failed)

        yield report


@dataclass
class _Lines:
    """A report in plain lines."""

    console: Console
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = time.monotonic()

    def __call__(self, name: str, done: int, total: int, failures: int = 0, /) -> None:
        if done == total or done % max(1, total // LINES) == 0:
            parts = [f"{done}/{total} {name}", _failed(failures), self._left(done, total)]
            told = ", ".join(filter(None, parts))
            self.console.print(told, highlight=False, markup=False, soft_wrap=True)

    def _left(self, done: int, total: int) -> str:
        """Say how long the rest takes if it goes on as it went; "" if there is none."""
        if done >= total:
            return ""
        seconds = (time.monotonic() - self.started) / done * (total - done)
        return f"about {_duration(seconds)} left"


def _failed(failures: int) -> str:
    return f"{failures} failed" if failures else ""


def _duration(seconds: float) -> str:
    """Return a time in the largest unit of which it has two."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
