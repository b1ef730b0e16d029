"""The labels at ticks, where matplotlib's own are hard to read."""

from math import log10

from matplotlib.axis import Axis
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter

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
