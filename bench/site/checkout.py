"""What the checkout that makes a report has published: figures of learning, and history."""

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


@dataclass(frozen=True)
class Metric:
    """What `asv` measured of one benchmark at each commit, from the first to the last.

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
    found = [one for path in sorted(folder.glob("*/*.json")) if (one := _read(path)) is not None]
    runs = sorted((one for one in found if "results" in one), key=lambda one: one["date"])
    described = _read(folder / "benchmarks.json") or {}
    names = dict.fromkeys(name for run in runs for name in run["results"])
    return [_metric(name, described.get(name), runs) for name in names]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read_bounded(path, MOST_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _metric(name: str, described: object, runs: Sequence[dict[str, Any]]) -> Metric:
    unit = str(described.get("unit", "")) if isinstance(described, dict) else ""
    own = [run for run in runs if name in run["results"]]
    tables = [_table(run["results"][name]) for run in own]
    keys = dict.fromkeys(key for table in tables for key in table)
    values = {key: tuple(table.get(key, math.nan) for table in tables) for key in keys}
    return Metric(name, unit, tuple(str(run["commit_hash"])[:8] for run in own), values)


def _table(result: Sequence[Any]) -> dict[tuple[str, ...], float]:
    """Return the numbers of one benchmark by its parameters: asv lists them in their product."""
    numbers, parameters = result[0] or [], result[1]
    keys = product(*([str(value).strip("'") for value in values] for values in parameters))
    pairs = zip(keys, numbers, strict=False)
    return {key: math.nan if value is None else float(value) for key, value in pairs}
