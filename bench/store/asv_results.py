"""Reads what `asv` measured of each commit."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from gradpareto.whole_file import read_bounded

MOST_BYTES = 2**24
Numbers = dict[tuple[str, ...], float]
"""Numbers by the parameters of a benchmark."""


@dataclass(frozen=True)
class Metric:
    """The numbers of one of `asv`'s benchmarks at each commit, from the first to the last.

    `values` has a number for each commit by the benchmark's parameters, NaN where there is none.
    """

    name: str
    unit: str
    commits: tuple[str, ...]
    values: dict[tuple[str, ...], tuple[float, ...]]


def history(folder: Path) -> list[Metric]:
    """Read a folder of results of `asv`; a damaged file is left out, and [] if there is none."""
    found = [one for path in sorted(folder.glob("*/*.json")) if (one := _measured(path))]
    runs = sorted(found, key=lambda one: one.date)
    units = _units(folder / "benchmarks.json")
    names = dict.fromkeys(name for run in runs for name in run.tables)
    return [_metric(name, units.get(name, ""), runs) for name in names]


@dataclass(frozen=True)
class _Measured:
    """The numbers that `asv` has of a commit: by benchmark, and by its parameters."""

    commit: str
    date: float
    tables: dict[str, Numbers]


def _measured(path: Path) -> _Measured | None:
    """Read the results of a commit; None if the file is of another form."""
    try:
        found = json.loads(read_bounded(path, MOST_BYTES))
        tables = {str(name): _table(*one[:2]) for name, one in found["results"].items()}
        return _Measured(str(found["commit_hash"])[:8], float(found["date"]), tables)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _units(path: Path) -> dict[str, str]:
    """Read the unit of each benchmark; {} if the file is of another form."""
    try:
        found = json.loads(read_bounded(path, MOST_BYTES))
        described = [(name, one) for name, one in found.items() if isinstance(one, dict)]
        return {name: str(one.get("unit", "")) for name, one in described}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _metric(name: str, unit: str, runs: Sequence[_Measured]) -> Metric:
    own = [run for run in runs if name in run.tables]
    keys = dict.fromkeys(key for run in own for key in run.tables[name])
    values = {key: tuple(run.tables[name].get(key, math.nan) for run in own) for key in keys}
    return Metric(name, unit, tuple(run.commit for run in own), values)


def _table(numbers: Sequence[Any] | None, parameters: Sequence[Any]) -> Numbers:
    """Return the numbers of one benchmark by its parameters: asv lists them in their product."""
    keys = product(*([str(value).strip("'") for value in values] for values in parameters))
    pairs = zip(keys, numbers or (), strict=False)
    return {key: math.nan if value is None else float(value) for key, value in pairs}
