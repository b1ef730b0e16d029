"""The figure of what an accuracy costs as a grid is refined."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of


def dimension_figure(table: pd.DataFrame, error: float) -> Figure:
    """Draw evaluations and seconds against the number of grid points, for each estimator.

    The table is that of `bench.run.dimension.measure_dimension`.
    """
    with sheet(10.5, 4.4) as figure:
        for index, (column, label) in enumerate(
            [("evals", "oracle evaluations (f + vjp)"), ("wall_s", "seconds a sample")]
        ):
            axes = figure.add_subplot(1, 2, index + 1)
            for name, own in table.groupby("estimator", sort=False):
                axes.plot(own.points, own[column], label=name, **style_of(str(name)).median())
            axes.set(xscale="log", yscale="log", xlabel="grid points", ylabel=label)
            axes.set_xticks(sorted(set(table.points)), sorted(set(table.points)), minor=False)
            axes.xaxis.set_minor_locator(NullLocator())
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=table.estimator.nunique(),
            title=f"to a relative error of {error:g}",
        )
    return figure
