"""The figure of an estimator: its error against evaluations, a line for each problem."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from gradpareto.bench.draw.lines import line
from gradpareto.bench.draw.panel import EVALS, drawn_floor
from gradpareto.bench.draw.ticks import power
from gradpareto.bench.judge.frontier import median_curve
from gradpareto.bench.site.pair_plot import LOOK
from gradpareto.bench.site.problem_run import ProblemRun
from gradpareto.bench.site.svg import Point, Series, inline_svg
from gradpareto.systems.kinds import KINDS

STYLES = dict(
    zip(
        KINDS,
        (("#1b4189", "o"), ("#c92300", "s"), ("#2b8452", "^"), ("#b0308f", "D"), ("#8a6500", "v")),
        strict=True,
    )
)
"""The colour and the marker of each kind of system."""
OTHER = "#4d4d4d", "x"


def estimator_plot(name: str, problems: Sequence[ProblemRun]) -> Markup | None:
    """Draw an estimator's median curves; None if it has no point."""
    series: list[Series] = []
    kinds: dict[str, Any] = {}
    with mpl.rc_context(LOOK):
        figure = Figure((8.6, 4.2))
        figure.subplots_adjust(left=0.08, right=0.84, bottom=0.12, top=0.97)
        axes = figure.add_subplot()
        for number, problem in enumerate(problems):
            color, marker = STYLES.get(problem.kind, OTHER)  # type: ignore[call-overload]
            if name not in problem.of:
                continue
            costs, errors = line(median_curve(problem.of[name]), drawn_floor(problem.records))
            if not len(costs):
                continue
            gid = f"points-{number}"
            look: dict[str, Any] = {"color": color, "marker": marker, "ms": 4, "lw": 1, "mew": 0}
            (kinds[problem.kind],) = axes.plot(costs, errors, gid=gid, **look)
            values = zip(costs, errors, strict=True)
            points = [_point(problem, c, e) for c, e in values if np.isfinite(c)]
            series.append(Series(gid, {"class": "series"}, points))
        axes.set(xscale="log", yscale="log", xlabel=EVALS.label, ylabel="relative error")
        axes.xaxis.set_major_formatter(lambda value, _: EVALS.tick(value))
        axes.yaxis.set_major_locator(LogLocator(numticks=9))
        axes.yaxis.set_major_formatter(lambda value, _: power(value))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        axes.legend(kinds.values(), kinds, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    if not series:
        return None
    label = f"Error of {name} against evaluations, on {len(series)} problems. The table follows."
    return inline_svg(figure, "own-", label, series)


def _point(problem: ProblemRun, cost: float, error: float) -> Point:
    told = f"{problem.title}: error {error:.2g}, {cost:,.0f} evaluations"
    return Point(told, {"cost": f"{cost:.6g}", "error": f"{error:.3g}"})
