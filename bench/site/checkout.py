"""Finds what a checkout has published beside runs: figures of learning, and history."""

import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from gradpareto.whole_file import read_bounded

MOST_BYTES = 2**24
LEARNED = ("figure3", "figure5", "figure6", "figure7", "budget")
"""The folders of published runs that trained policies."""


def published() -> Path | None:
    """Return the folder `results` of the checkout; None if the package was installed elsewhere."""
    root = Path(__file__).resolve().parents[2]
    found = root / "results"
    return found if (root / "pyproject.toml").is_file() and found.is_dir() else None


@dataclass(frozen=True)
class LearningFigure:
    """A published figure of learning: its bytes, its pixels, and what was found, in words."""

    folder: str
    name: str
    content: bytes
    width: int
    height: int
    findings: str


def learning_figures(results: Path | None) -> list[LearningFigure]:
    """Read the figures of learning that a folder of published results has."""
    return [] if results is None else list(_figures(results))


def _figures(results: Path) -> Iterator[LearningFigure]:
    for folder in LEARNED:
        pictures = sorted((results / folder).glob("*.png"))
        for number, path in enumerate(pictures):
            content = read_bounded(path, MOST_BYTES)
            if content[:4] != b"\x89PNG":
                continue
            width, height = struct.unpack(">II", content[16:24])
            told = results / folder / "findings.txt"
            findings = told.read_text("utf-8") if number == 0 and told.is_file() else ""
            yield LearningFigure(folder, path.name, content, width, height, findings)


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


def history(results: Path | None) -> list[Metric]:
    """Read the results of `asv` in a folder of published results; a damaged file is left out."""
    folder = None if results is None else results / "asv"
    if folder is None or not folder.is_dir():
        return []
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
