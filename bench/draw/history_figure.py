"""The figure of how many evaluations each estimator has needed from commit to commit."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from gradpareto.bench.draw.highlights import ALWAYS
from gradpareto.bench.draw.panel import OTHER
from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import by_family, style_of
from gradpareto.bench.draw.ticks import decade_ticks
from gradpareto.bench.store.asv_results import Metric

COLUMNS = 2
MOVED = 1.02
"""The factor from which the numbers of two commits differ."""
Lines = Mapping[str, tuple[float, ...]]
"""The numbers of each estimator at the commits, NaN where there is none."""


def history_figure(evals: Metric) -> Figure:
    """Draw a panel for each problem: evaluations for an error against commits."""
    problems = list(dict.fromkeys(problem for problem, _ in evals.values))
    rows = -(-len(problems) // COLUMNS)
    named: set[str] = set()
    with sheet(12.5, 1.6 + 3.1 * rows) as figure:
        panels = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True)
        for axes, problem in zip(panels.flat, problems, strict=False):
            lines = {name: own for (of, name), own in evals.values.items() if of == problem}
            named |= _draw(axes, problem, lines)
        for axes in panels.flat[len(problems) :]:
            axes.set_axis_off()
        for axes in panels[-1]:
            axes.set_xticks(range(len(evals.commits)), evals.commits, rotation=90, size=8)
        label = "oracle evaluations a sample for a relative error of 1e-6, or that of the title"
        figure.supylabel(label, size="medium")
        others = Line2D([], [], label="others, of constant numbers", **OTHER)
        handles = [Line2D([], [], label=one, **style_of(one).median()) for one in by_family(named)]
        figure.legend(handles=[*handles, others], loc="outside lower center", ncols=5, fontsize=9)
    return figure


def _draw(axes: Axes, problem: str, lines: Lines) -> set[str]:
    """Draw the estimators of a problem, and return those that are named."""
    last = {name: own[-1] for name, own in lines.items() if own[-1] > 0}
    best = min(last, key=lambda name: last[name], default="")
    named = {name for name in lines if name in (*ALWAYS, best) or moved(lines[name])}
    named &= {name for name, own in lines.items() if any(map(math.isfinite, own))}
    for name, own in lines.items():
        if name in named:
            axes.plot(range(len(own)), own, zorder=5, **style_of(name).median())
        else:
            axes.plot(range(len(own)), own, zorder=2, **OTHER)
    axes.set_title(problem, loc="left", weight="bold")
    axes.set_yscale("log")
    if named:
        decade_ticks(axes.yaxis, axes.get_ylim(), EngFormatter(sep=""))
    return named


def moved(numbers: tuple[float, ...]) -> bool:
    """Tell whether numbers differ from commit to commit, or come and go."""
    known = [one for one in numbers if one > 0]
    return bool(known) and (len(known) < len(numbers) or max(known) > MOVED * min(known))
