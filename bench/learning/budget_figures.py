"""The figures of the budget study."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.draw.ticks import plain_log
from gradpareto.bench.learning.budget import tasks
from gradpareto.bench.learning.budget_tables import accuracy_needed, bound_of, envelope

TOTALS = 200
"""The number of totals at which the second figure is drawn."""
WORST = 100.0
"""Relative errors above this are not told apart."""
FAR = 1.25
"""Losses beyond the worst finite one, of trainings that failed, are drawn this factor above."""


def budget_figure(table: pd.DataFrame) -> Figure:
    """Draw the final loss against the price of a gradient, and against its error.

    `table` is that of `settings_table`. Bars reach from the best trial to the worst. The grey band
    holds losses as good as the best.
    """
    systems = list(table.system.unique())
    with sheet(3.7 * len(systems), 7.0) as figure:
        panels = figure.subplots(2, len(systems), squeeze=False)
        needed = accuracy_needed(table).set_index("system")
        for column, system in zip(panels.T, systems, strict=True):
            own = table[table.system == system]
            own = own.assign(rel_error=own.rel_error.clip(upper=WORST))
            for axes, cost in zip(column, ("evals_a_gradient", "rel_error"), strict=True):
                _draw_losses(axes, own, cost)
            column[0].set(title=system, xlabel="evaluations a gradient of one sample")
            column[1].set_xlabel(f"relative error of the gradient, up to {WORST:g}")
            if system in needed.index and np.isfinite(needed.rel_error[system]):
                column[1].axvline(needed.rel_error[system], color="0.3", ls=":", lw=1.2)
        for row in panels:
            row[0].set_ylabel("final held-out loss")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def totals_figure(curves: pd.DataFrame) -> Figure:
    """Draw the least loss within a total of evaluations, over the settings of each estimator."""
    systems = list(curves.system.unique())
    with sheet(3.7 * len(systems), 3.9) as figure:
        panels = figure.subplots(1, len(systems), squeeze=False)[0]
        for axes, system in zip(panels, systems, strict=True):
            own = curves[curves.system == system]
            spent = own.evals[own.evals > 0]
            totals = np.geomspace(spent.min(), spent.max(), TOTALS) if len(spent) else np.ones(1)
            for name, group in own.groupby("estimator", sort=False):
                color = style_of(str(name)).color
                axes.plot(totals, envelope(group, totals), color=color, lw=1.8, label=name)
            _scale(axes, system)
            axes.set(xscale="log", title=system, xlabel="evaluations a trial, in all")
        panels[0].set_ylabel("held-out loss")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_losses(axes: Axes, own: pd.DataFrame, cost: str) -> None:
    """Draw one task's losses: lines through the settings of each estimator."""
    system = str(own.system.iloc[0])
    finite = own.heldout_loss[np.isfinite(own.heldout_loss)]
    if finite.empty:
        return
    best, worst = finite.min(), finite.max()
    top = worst + (FAR - 1) * (worst - best) if tasks()[system].linear else worst * FAR
    axes.axhspan(best, bound_of(own), color="0.85", lw=0)
    for name, group in own.groupby("estimator", sort=False):
        line = group.dropna(subset=[cost]).sort_values(cost)
        middle = line.heldout_loss.clip(upper=top)
        bars = middle - line.best.clip(upper=top), line.worst.clip(upper=top) - middle
        look = style_of(str(name)).median()
        axes.errorbar(line[cost], middle, np.abs(bars), label=name, elinewidth=1, **look)
    _scale(axes, system)
    axes.set_xscale("log")


def _scale(axes: Axes, system: str) -> None:
    """Draw losses on a logarithmic axis, unless they may be negative."""
    if not tasks()[system].linear:
        axes.set_yscale("log")
        plain_log(axes.yaxis)
