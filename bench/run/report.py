"""The type of a progress report, and the report that says nothing."""

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""It is told what was just finished, how many parts are done, and how many parts there are."""


def silent(name: str, done: int, total: int) -> None:
    """Report nothing."""
