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
    """A cost as a reader asks for it: its name, its heading, its axis, and how it is written."""

    name: str
    heading: str
    explained: str
    axis: Cost
    text: Callable[[float], str]

    @property
    def column(self) -> str:
        """The column of the records that has it."""
        return self.axis.column


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _bytes(value: float) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:,.3g} {unit}"
    return f"{value:,.0f} B"


def _multiple(value: float) -> str:
    return f"{value:.3g} x"


COSTS = (
    Priced(
        "evaluations",
        "Fewest evaluations",
        "the number of calls of the dynamics and of their vector-Jacobian product, a sample",
        EVALS,
        _count,
    ),
    Priced(
        "time",
        "Least time",
        "the wall time over that of bptt with steps of T/100",
        TIME,
        _multiple,
    ),
    Priced(
        "memory",
        "Least memory",
        "the number of bytes kept between the forward and the backward pass, a sample",
        MEMORY,
        _bytes,
    ),
)


def needed_text(cost: Priced, value: float) -> str:
    """Write a cost: "-" if the error is never reached, "?" if the cost is not known."""
    if np.isnan(value):
        return "?"
    return cost.text(value) if np.isfinite(value) else "-"


def with_stored_bytes(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with at least LEAST_BYTES stored, where it is known."""
    return records.assign(stored_bytes=records.stored_bytes.clip(lower=LEAST_BYTES))
