"""Tells how far a sweep is: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gradpareto.bench.run.report import Report

LINES = 20
"""Plain lines a stage has at most, so that a log stays readable."""


@contextmanager
def progress() -> Iterator[Report]:
    """A report for `bench.run.sweep.sweep`, written to standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name, done, total: _line(console, name, done, total)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda name, done, total: bar.update(
            task, description=name, completed=done, total=total
        )


def _line(console: Console, name: str, done: int, total: int) -> None:
    if done == total or done % max(1, total // LINES) == 0:
        console.print(f"{done}/{total} {name}", highlight=False, soft_wrap=True)
