"""The labels at ticks, where matplotlib's own are hard to read."""

from matplotlib.axis import Axis
from matplotlib.ticker import EngFormatter, LogFormatter

FEW_DECADES = (2.0, 0.6)
"""An axis of fewer decades has labels between the powers of ten, and one of far fewer has all."""


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, and between its powers if it has few."""
    axis.set_major_formatter(LogFormatter(labelOnlyBase=True))
    axis.set_minor_formatter(LogFormatter(minor_thresholds=FEW_DECADES))


def short_counts(axis: Axis) -> None:
    """Label an axis of large counts as 20k and 3M, without an offset in the corner."""
    axis.set_major_formatter(EngFormatter(sep=""))
