"""Finds the figures that a checkout has published beside runs: of learning, and of its history."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradpareto.bench.store.asv_results import Metric, history
from gradpareto.whole_file import read_bounded

MOST_BYTES = 2**24
LEARNED = ("figure3", "figure5", "figure6", "figure7", "budget")
"""The folders of published runs that trained policies."""
HISTORY = "asv"
"""The folder of published results of `asv`."""


def published() -> Path | None:
    """Return the folder `results` of the checkout; None if the package was installed elsewhere."""
    root = Path(__file__).resolve().parents[2]
    found = root / "results"
    return found if (root / "pyproject.toml").is_file() and found.is_dir() else None


@dataclass(frozen=True)
class PublishedFigure:
    """A published figure: its bytes, its pixels, and what was found, in words."""

    folder: str
    name: str
    content: bytes
    width: int
    height: int
    findings: str


@dataclass(frozen=True)
class Checkout:
    """The figures of learning and the history, in figures and numbers, that a checkout publishes.

    There is nothing where the package was installed without a checkout.
    """

    learned: Sequence[PublishedFigure] = ()
    history: Sequence[PublishedFigure] = ()
    metrics: Sequence[Metric] = ()


def read_checkout(results: Path | None) -> Checkout:
    """Read a folder of published results."""
    if results is None:
        return Checkout()
    learned, shown = (list(_figures(results, folders)) for folders in (LEARNED, (HISTORY,)))
    return Checkout(learned, shown, history(results / HISTORY))


def _figures(results: Path, folders: Sequence[str]) -> Iterator[PublishedFigure]:
    for folder in folders:
        pictures = sorted((results / folder).glob("*.png"))
        for number, path in enumerate(pictures):
            content = read_bounded(path, MOST_BYTES)
            if content[:4] != b"\x89PNG":
                continue
            width, height = struct.unpack(">II", content[16:24])
            told = results / folder / "findings.txt"
            findings = told.read_text("utf-8") if number == 0 and told.is_file() else ""
            yield PublishedFigure(folder, path.name, content, width, height, findings)
