"""The labels at ticks, where matplotlib's own are hard to read."""

from collections.abc import Callable
from math import log10

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import (
    EngFormatter,
    FixedFormatter,
    FixedLocator,
    LogLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)

PLAIN = StrMethodFormatter("{x:g}")
BETWEEN = ((0.8, (2, 3, 4, 5, 6, 8)), (2.0, (2, 5)))
"""Pairs: an axis of at most this many decades also labels these multiples of powers of ten."""


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis, of which the limits are set, with plain numbers.

    An axis of few decades has labels between the powers of ten as well.
    """
    low, high = sorted(map(float, axis.get_view_interval()))
    axis.set_major_formatter(PLAIN)
    axis.set_minor_formatter(NullFormatter())
    for decades, multiples in BETWEEN:
        if log10(high / low) <= decades:
            axis.set_minor_locator(LogLocator(subs=multiples))
            axis.set_minor_formatter(PLAIN)
            break


def short_counts(axis: Axis) -> None:
    """Label an axis of large counts as 20k and 3M, without an offset in the corner."""
    axis.set_major_formatter(EngFormatter(sep=""))


def decade_ticks(axis: Axis, ends: tuple[float, float], label: Callable[[float], str]) -> None:
    """Put ticks at decades, or finer where these are few; of many, label every second one."""
    low, high = np.log10(ends)
    mantissas = (1,) if np.floor(high) - np.ceil(low) >= 2 else (1, 2, 5)
    places = np.outer(10.0 ** np.arange(np.floor(low), high), mantissas).ravel()
    places = places[(places >= ends[0]) & (places <= ends[1])]
    step = 1 if len(places) <= 9 else 2
    labels = [label(v) if round(np.log10(v)) % step == 0 else "" for v in places]
    axis.set_major_locator(FixedLocator(places.tolist()))
    axis.set_major_formatter(FixedFormatter(labels))
    axis.set_minor_locator(NullLocator())


def power(value: float) -> str:
    """Write a power of ten, rounded to the nearest."""
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "10" + str(round(np.log10(value))).translate(raised)
