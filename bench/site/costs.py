"""The costs that the pages compare: evaluations, time and memory, with the texts that they need."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradpareto.bench.draw.panel import EVALS, MEMORY, TIME, Cost

LEAST_BYTES = 8.0
"""An estimator that stores nothing is said to store one number, so that ratios exist."""


@dataclass(frozen=True)
class Priced:
    """A cost as a reader asks for it: its name, its heading, and how it is written.

    `head` is that of a narrow column.
    """

    name: str
    heading: str
    head: str
    explained: str
    text: Callable[[float], str]

    @property
    def anchor(self) -> str:
        """The name as a part of an identifier."""
        return self.name.replace(" ", "-")


@dataclass(frozen=True)
class Recorded(Priced):
    """A cost that the records have, with its axis."""

    axis: Cost
    unit: str

    @property
    def column(self) -> str:
        """The column of the records that has it."""
        return self.axis.column


@dataclass(frozen=True)
class Clocked(Priced):
    """The time of a gradient of a batch, which `gradpareto times` measures."""

    batch: int


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _bytes(value: float) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:,.3g} {unit}"
    return f"{value:,.0f} B"


def _multiple(value: float) -> str:
    return f"{value:.3g} x"


def _milliseconds(value: float) -> str:
    return f"{value:.3g} ms"


EVALUATIONS, RATIO, STORED = (
    Recorded(
        "evaluations",
        "Fewest evaluations",
        "evaluations",
        "the number of calls of f and of its vector-Jacobian product, for one initial state",
        _count,
        EVALS,
        "evaluations",
    ),
    Recorded(
        "time",
        "Least time",
        "time",
        "the wall time over that of bptt with steps of T/100",
        _multiple,
        TIME,
        "bptt's time",
    ),
    Recorded(
        "memory",
        "Least memory",
        "stored",
        "the number of bytes kept between the forward and the backward pass, for one initial state",
        _bytes,
        MEMORY,
        "stored",
    ),
)
ALONE, IN_BATCH = (
    Clocked(
        "time alone",
        "Least time of one sample",
        "time, 1 sample",
        "the milliseconds that the gradient for one initial state takes on one core",
        _milliseconds,
        1,
    ),
    Clocked(
        "time in a batch",
        "Least time in a batch of 32",
        "time, 32 samples",
        "the milliseconds that the gradient for a batch of 32 initial states takes on one core",
        _milliseconds,
        32,
    ),
)
COSTS: tuple[Priced, ...] = (EVALUATIONS, RATIO, STORED)
"""The costs of a run that has its records alone."""
COSTS_WITH_TIMES: tuple[Priced, ...] = (EVALUATIONS, ALONE, IN_BATCH, STORED)
"""The costs of a run that has a table of times as well."""


def needed_text(cost: Priced, value: float) -> str:
    """Write a cost: "-" if the error is never reached, "?" if the cost is not known."""
    if np.isnan(value):
        return "?"
    return cost.text(value) if np.isfinite(value) else "-"


def with_stored_bytes(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with at least LEAST_BYTES stored, where it is known."""
    return records.assign(stored_bytes=records.stored_bytes.clip(lower=LEAST_BYTES))
