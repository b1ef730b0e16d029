"""Learning curves: the loss against what was spent, with a line and a band for each estimator."""

from collections.abc import Mapping

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.draw.ticks import short_counts
from gradpareto.bench.learning.history import History
from gradpareto.systems import Array

HALF = "line: median of the trials; band: the middle half of them"
"""The words that explain the lines and the bands of `draw_curves` to those who read a figure."""
POINTS = 400
"""The number of points of a drawn curve."""
LABELS = {
    "iterations": "iterations",
    "evals": "evaluations (f + vjp) a trial",
    "seconds": "seconds a trial",
}


def learning_curves(
    histories: Mapping[str, History],
    column: str = "heldout_loss",
    costs: tuple[str, ...] = ("iterations", "evals", "seconds"),
) -> Figure:
    """Draw a panel for each cost, with all estimators in each."""
    with sheet(1 + 4.2 * len(costs), 3.9) as figure:
        for index, cost in enumerate(costs):
            axes = figure.add_subplot(1, len(costs), index + 1)
            draw_curves(axes, histories, cost, column)
            axes.set_ylabel(
                "" if index else column.replace("_", " ").replace("heldout", "held-out")
            )
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(histories))
        if next(iter(histories.values())).state.status.size > 1:
            figure.supxlabel(HALF, size="small")
    return figure


def draw_curves(
    axes: Axes,
    histories: Mapping[str, History],
    cost: str,
    column: str = "heldout_loss",
    window: int = 1,
    band: tuple[float, float] = (0.25, 0.75),
) -> None:
    """Draw medians over the trials, smoothed over `window` iterations, and a band of quantiles."""
    for name, history in histories.items():
        x, y = curve(history, cost, column, window)
        color = style_of(name).color
        axes.plot(x, np.nanmedian(y, axis=1), color=color, lw=1.8, label=name)
        if y.shape[1] > 1:
            low, high = np.nanquantile(y, band, axis=1)
            axes.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    axes.set_xlabel(LABELS[cost])
    if cost != "seconds":
        short_counts(axes.xaxis)
    axes.spines[["top", "right"]].set_visible(False)


def curve(history: History, cost: str, column: str, window: int = 1) -> tuple[Array, Array]:
    """Return costs (K,), up to where the first trial ends, and a column of N trials there (K, N).

    Each trial's values are averaged over `window` of those that were taken, and interpolated.
    """
    spent = history.spent(cost)
    values = history.column(column)
    columns, ends = [], []
    for trial in range(values.shape[1]):
        taken = np.isfinite(values[:, trial]) & (history.column("status")[:, trial] > 0)
        at, own = spent[taken, trial], values[taken, trial]
        if window > 1:
            own = scipy.ndimage.uniform_filter1d(own, window, mode="nearest")
        columns.append((at, own))
        ends += at[-1:].tolist()
    grid = np.linspace(0, min(ends, default=0.0), POINTS)
    drawn = [
        np.interp(grid, at, own) if len(at) else np.full(POINTS, np.nan) for at, own in columns
    ]
    return grid, np.array(drawn).T
