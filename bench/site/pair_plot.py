"""The figure of a pair: the ratio of evaluations against the error, on each problem."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gradpareto.bench.draw.ticks import PLAIN, power
from gradpareto.bench.judge.paired import LADDER
from gradpareto.bench.site.pairs import Pair, PairOnProblem
from gradpareto.bench.site.svg import Point, Series, inline_svg
from gradpareto.systems import Array

COLUMNS, WIDTH, HEIGHT, EDGES = 3, 8.6, 1.9, 0.75
LOOK: Any = {"font.sans-serif": ["DejaVu Sans"], "font.size": 8}
LOOK |= {"axes.grid": True, "grid.color": "#ebebeb", "axes.edgecolor": "#9a9a9a"}
LOOK |= {"axes.spines.top": False, "axes.spines.right": False}
MEDIAN, BAND, ALONE = "#1b4189", "#a6bbeb", "#f3e3a3"
ERRORS = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
LEAST_RANGE, MOST_RANGE = 3.0, 1000.0
"""The ratios on the vertical axis go from one over this to this."""


def pair_plot(pair: Pair) -> Markup:
    """Draw a panel for each problem of a pair, in the order of its parts."""
    rows = -(-len(pair.parts) // COLUMNS)
    height = HEIGHT * rows + EDGES
    top = _range(pair.parts)
    series: list[Series] = []
    with mpl.rc_context(LOOK):
        figure = Figure((WIDTH, height))
        figure.subplots_adjust(
            left=0.08,
            right=0.99,
            bottom=0.6 / height,
            top=1 - 0.25 / height,
            wspace=0.18,
            hspace=0.55,
        )
        for number, part in enumerate(pair.parts):
            axes = figure.add_subplot(rows, COLUMNS, number + 1)
            series += _panel(axes, part, number, top)
            _frame(axes, part, top, number % COLUMNS == 0)
        figure.supxlabel("relative error", size=8, y=0.08 / height)
    label = (
        f"Evaluations of {pair.new} over those of {pair.baseline} against the relative error, "
        f"on {len(pair.parts)} problems. The table above has the verdicts."
    )
    return inline_svg(figure, "ratio-", label, series)


def _range(parts: Sequence[PairOnProblem]) -> float:
    """Return the largest ratio, or one over it, that is drawn."""
    drawn = np.concatenate([part.median for part in parts])
    logs = np.abs(np.log(drawn[np.isfinite(drawn) & (drawn > 0)]))
    return float(np.clip(1.2 * np.exp(logs.max(initial=0.0)), LEAST_RANGE, MOST_RANGE))


def _panel(axes: Axes, part: PairOnProblem, number: int, top: float) -> list[Series]:
    """Draw the median with its band; a half is filled where only one arrives."""
    errors = LADDER[: part.found.targets]
    edge = top**0.96
    low, middle, high = (_within(v, edge) for v in (part.lower, part.median, part.upper))
    known, both = ~np.isnan(middle), np.isfinite(part.median) & (part.median > 0)
    axes.fill_between(errors, low, high, where=both, color=BAND, lw=0, alpha=0.6)
    axes.axhline(1, color="#4d4d4d", lw=0.8)
    gid = f"points-{number}"
    for end, alone in ((edge, part.median == np.inf), (1 / edge, part.median == 0)):
        axes.fill_between(errors, 1, end, where=alone, color=ALONE, lw=0)
    axes.plot(errors, np.where(both, middle, np.nan), color=MEDIAN, lw=1.2)
    axes.plot(errors[known], middle[known], "o", color=MEDIAN, ms=2.2, mew=0, gid=gid)
    columns = (column[known] for column in (errors, part.median, part.lower, part.upper))
    points = [_point(*each) for each in zip(*columns, strict=True)]
    return [Series(gid, {"class": "series"}, points)]


def _within(ratios: Array, edge: float) -> Array:
    return np.asarray(np.clip(ratios, 1 / edge, edge))


def _point(error: float, middle: float, low: float, high: float) -> Point:
    told = f"error {error:.2g}: {_ratio(middle)}, bounds {_ratio(low)} to {_ratio(high)}"
    data = {"error": f"{error:.3g}", "ratio": _ratio(middle)}
    return Point(told, data | {"low": _ratio(low), "high": _ratio(high)})


def _ratio(value: float) -> str:
    """Write a ratio, of which 0 and infinity say that only one of the two arrives."""
    return f"{value:.3g}"


def _frame(axes: Axes, part: PairOnProblem, top: float, first: bool) -> None:
    """Set the limits, the ticks and the title of a panel."""
    axes.set(xscale="log", yscale="log", xlim=(LADDER[0] * 1.5, LADDER[-1]), ylim=(1 / top, top))
    title = part.problem.title.replace("$", r"\$")
    axes.set_title(title, loc="left", size=8, weight="bold", pad=3)
    axes.xaxis.set_major_locator(FixedLocator(ERRORS))
    axes.xaxis.set_major_formatter(lambda value, _: power(value))
    ratios = [r for r in (0.001, 0.01, 0.1, 1, 10, 100, 1000) if 1 / top <= r <= top]
    ratios = ratios if len(ratios) >= 3 else [r for r in (0.5, 1, 2) if 1 / top <= r <= top]
    axes.yaxis.set_major_locator(FixedLocator(ratios))
    axes.yaxis.set_major_formatter(PLAIN)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.tick_params(length=0)
    axes.set_ylabel("ratio" if first else "")
