"""The figure of how the time of a gradient grows."""

from math import ceil

import pandas as pd
from matplotlib.figure import Figure

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of

LABELS = {
    "batch": "lanes in the batch",
    "steps": "accepted steps",
    "parameters": "parameters of the policy",
    "dimension": "states",
}


def growth_figure(growth: pd.DataFrame) -> Figure:
    """Draw seconds against size, a panel for each axis of `bench.run.growth.measure_growth`.

    Bars are quartiles.
    """
    axes_names = list(growth.axis.unique())
    columns = min(2, len(axes_names))
    rows = ceil(len(axes_names) / columns)
    with sheet(10.5, 4.2 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes, axis in zip(panels.flat, axes_names, strict=False):
            for name, own in growth[growth.axis == axis].groupby("estimator", sort=False):
                bars = own.seconds - own.seconds_low, own.seconds_high - own.seconds
                look = style_of(str(name)).median()
                axes.errorbar(own["size"], own.seconds, bars, label=name, elinewidth=1, **look)
            axes.set(xscale="log", yscale="log", xlabel=LABELS[axis], ylabel="seconds a gradient")
        for axes in panels.flat[len(axes_names) :]:
            axes.remove()
        figure.legend(
            *panels.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4
        )
    return figure
