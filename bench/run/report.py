"""The type of a progress report, and the report that says nothing."""

from typing import Protocol


class Report(Protocol):
    """A function that is called after each part of a piece of work."""

    def __call__(self, name: str, done: int, total: int, failures: int = 0, /) -> None:
        """Take what was just finished, and how many parts are done, there are and have failed."""


def silent(name: str, done: int, total: int, failures: int = 0, /) -> None:
    """Report nothing."""
