"""A page before it is rendered, and what pages are made of: paths, and cells that sort."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradpareto.bench.store.file_names import file_stem

OVERVIEW, PROBLEMS, ESTIMATORS, PAIRS = "Overview", "Problems", "Estimators", "Pairs"
MATRIX, LEARNING, HISTORY, PROVENANCE = "Matrix", "Learning", "History", "Provenance"


@dataclass(frozen=True)
class Page:
    """A page: its path from the report's folder, its section, its template and what fills it."""

    path: str
    section: str
    title: str
    template: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cell of a table that sorts: its text, and the number or the text that it is sorted by."""

    text: str
    sort: str


def cell(value: float, text: str) -> Cell:
    """Return the cell of a number. NaN comes after infinity in the order of a table."""
    return Cell(text, "NaN" if math.isnan(value) else f"{value:.9g}")


def error_text(error: float) -> str:
    """Write a target error, a power of ten: 1e-6."""
    return f"{error:.0e}".replace("e-0", "e-")


def count(value: int) -> Cell:
    """Return the cell of a count."""
    return cell(value, f"{value:,}")


def number(value: float, form: str) -> Cell:
    """Return the cell of a number in a format, or of "-" where it is not finite."""
    return cell(value, format(value, form) if math.isfinite(value) else "-")


def page_of(folder: str, *names: str) -> str:
    """Return the path of a page that belongs to some names, whatever they are."""
    return f"{folder}/{file_stem(*names)}.html"
