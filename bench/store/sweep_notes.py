"""The notes of a sweep on its cells, so that it goes on without reading their records."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

_KEY = "system, theta, estimator, setting"
_KEYED = (
    "(system TEXT NOT NULL, theta TEXT NOT NULL, estimator TEXT NOT NULL, setting REAL NOT NULL"
)
_PRIMARY = f"PRIMARY KEY ({_KEY})) WITHOUT ROWID"
NOTES = {
    "seen": f"CREATE TABLE seen {_KEYED}, evals REAL, error REAL, floored INTEGER, "
    f"given_up INTEGER, {_PRIMARY}",
    "untimed": f"CREATE TABLE untimed {_KEYED}, {_PRIMARY}",
}
"""The tables: the points of cells on traced frontiers, and the cells whose times are lacking."""
Run = Callable[[str, Sequence[Any]], list[Any]]
"""A function that runs a statement of SQL with its values."""
Seen = tuple[float, float, bool, bool]
"""The columns that a tracer sees: evaluations, error, and whether it is floored or given up."""
KINDS = (float, float, int, int)


class Held(NamedTuple):
    """A finished cell of a course, and what a tracer sees of it if that was noted."""

    setting: float
    samples: int
    seen: Seen | None


def course(run: Run, key: tuple[str, str, str]) -> Iterator[Held]:
    """Give the finished cells of a system, a preset and an estimator, from the index alone."""
    found = run(
        "SELECT setting, samples, evals, error, floored, given_up "
        f"FROM cells INDEXED BY cells_by_key LEFT JOIN seen USING ({_KEY}) "
        "WHERE system = ? AND theta = ? AND estimator = ? ORDER BY setting",
        key,
    )
    for setting, samples, *seen in found:
        known = tuple(map(type, seen)) == KINDS and seen[0] >= 0
        point = (seen[0], seen[1], bool(seen[2]), bool(seen[3])) if known else None
        yield Held(float(setting), int(samples), point)


def note(run: Run, key: Sequence[Any], seen: Seen | None, untimed: bool = False) -> None:
    """Note these of a cell, of which nothing is noted, inside a transaction."""
    if seen is not None:
        run("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, *seen))
    if untimed:
        run("INSERT INTO untimed VALUES (?, ?, ?, ?)", key)


def forget(run: Run, where: tuple[str, Sequence[Any]]) -> None:
    """Delete what is noted of the cells that fulfil a condition, inside a transaction."""
    for table in NOTES:
        run(f"DELETE FROM {table} WHERE {where[0]}", where[1])


def untimed(run: Run) -> list[tuple[str, str, str, float]]:
    """Return the keys of the cells whose times are lacking."""
    return run(f"SELECT {_KEY} FROM untimed", ())
