"""One panel of a figure: the errors of estimators on a problem against one of their costs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from gradpareto.bench.draw.highlights import named
from gradpareto.bench.draw.lines import band, line, median_limit
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.draw.ticks import decade_ticks, power
from gradpareto.bench.judge.frontier import (
    FLOOR_FACTOR,
    NO_ESTIMATE,
    at_floor,
    deciding,
    median_curve,
    median_points,
)
from gradpareto.systems import Array

WORST = 10.0
"""Errors above this are not told apart: they are ticks in a strip above the panel."""
MOST_ENDED = 0.9
"""The share of estimators whose curves end within the panel; those of the others are cut off."""
LIMIT: dict[str, Any] = {"color": "#1a1a1a", "linestyle": (0, (4, 2)), "lw": 1.6}
MIDDLE_HALF: dict[str, Any] = {"alpha": 0.16, "lw": 0}
SPREAD: dict[str, Any] = {"lw": 4, "alpha": 0.3}
OTHER: dict[str, Any] = {"color": "#bdbdbd", "lw": 0.8}
"""Estimators that are drawn, and not named, among many."""
TICK: dict[str, Any] = {"marker": "|", "linestyle": "", "ms": 7, "mew": 1.4}
STRIP = 0.045
"""The height of a row of ticks above the panel, over that of the panel."""
SMALL: dict[str, Any] = {"size": "small", "color": "0.3"}


@dataclass(frozen=True)
class Cost:
    """The cost on the horizontal axis: a column of the records, its label and its ticks."""

    column: str
    label: str
    tick: Callable[[float], str]


EVALS = Cost("evals", "oracle evaluations a sample (f + vjp)", EngFormatter(sep=""))
MEMORY = Cost(
    "stored_bytes",
    "bytes that a sample has stored when the backward pass begins\n"
    "(at the settings at which memory was traced)",
    EngFormatter("B"),
)
TIME = Cost("wall_ratio", "wall time over that of bptt at T/100", lambda value: f"{value:g}")
ERROR = "relative error of (dL/dx0, dL/dtheta), 2-norm"


def drawn_floor(records: pd.DataFrame) -> float:
    """Return the relative error below which nothing of a problem is drawn; 0 if it is unknown."""
    ok = records[(records.status == "ok") & (records.rel_error > 0)]
    floors = FLOOR_FACTOR * ok.reference_uncertainty * ok.rel_error / ok.abs_error
    return float(floors.median()) if len(ok) else 0.0


Lines = dict[str, tuple[Array, Array]]
"""The medians (x, y) of each estimator as they are drawn, NaN where a line is broken."""


def _ends(lines: Lines) -> tuple[float, float]:
    """Return the costs at which the panel begins and ends, NaN if nothing is drawn."""
    costs = [x[np.isfinite(x)] for x, _ in lines.values()]
    costs = [x for x in costs if len(x)]
    if not costs:
        return np.nan, np.nan
    last = np.quantile([x.max() for x in costs], MOST_ENDED, method="higher")
    return min(x.min() for x in costs), float(last)


def panel(
    axes: Axes, records: pd.DataFrame, cost: Cost, limit: pd.DataFrame | None, room: float = 0.03
) -> None:
    """Draw the errors of one problem's comparable records against a cost.

    The panel goes on behind the curves by a share `room` of their length, for their names. A line
    goes through an estimator's medians over the samples, and a band holds the middle half of them.
    Estimators that failed, and errors above WORST, are ticks in strips above the panel.
    """
    floor, known = drawn_floor(records), records[records[cost.column] > 0]
    shown, all_of = named(records, cost.column), dict(list(records.groupby("estimator")))
    lines: Lines = {
        str(name): line(median_curve(all_of[name], cost.column), floor)
        for name in deciding(known).estimator.unique()
    }
    curve = None if limit is None else median_limit(limit, floor)
    _limits(axes, lines, curve, floor, room)
    decade_ticks(axes.xaxis, axes.get_xlim(), cost.tick)
    if curve is not None:
        axes.plot(curve.index, curve, zorder=4, **LIMIT)
    for name, medians in lines.items():
        style = style_of(name)
        if name not in shown:
            axes.plot(*medians, zorder=2, **OTHER)
            continue
        x, low, high = band(all_of[name], cost.column, floor)
        axes.fill_between(x, low, np.minimum(high, WORST), color=style.color, **MIDDLE_HALF)
        axes.plot(*medians, zorder=5, **style.median())
        if cost is TIME:
            _spreads(axes, all_of[name], floor, style.color)
    _beyond_the_end(axes, {name: lines[name] for name in lines if name in shown}, cost)
    _strips(axes, records[records.estimator.isin(shown)], cost)
    sns.despine(ax=axes)


def _spreads(axes: Axes, records: pd.DataFrame, floor: float, color: str) -> None:
    """Draw the spread of an estimator's wall time as a bar through each of its medians."""
    points = median_points(records[~at_floor(records)])
    points = points[points.rel_error.between(floor, NO_ESTIMATE) & (points.wall_ratio > 0)]
    x, half = points.wall_ratio, points.wall_ratio_spread / 2
    ends = np.maximum(x - half, 0.1 * x), x + half
    axes.hlines(points.rel_error, *ends, color=color, **SPREAD)


def _beyond_the_end(axes: Axes, lines: Lines, cost: Cost) -> None:
    """Say of the named estimators whose curves are cut off where they end."""
    last = axes.get_xlim()[1]
    said = []
    for name, (x, y) in lines.items():
        if np.nanmax(x, initial=0.0) > last:
            at = int(np.nanargmax(x))
            said.append(f"{name}: {y[at]:.0e} at {cost.tick(float(f'{x[at]:.2g}'))} →")
    where: dict[str, Any] = {"ha": "right", "va": "top", "transform": axes.transAxes}
    axes.text(0.99, 0.98, "\n".join(said), **where, **SMALL)


def _strips(axes: Axes, records: pd.DataFrame, cost: Cost) -> None:
    """Draw rows of ticks above the panel, one for each kind of point that has no place in it.

    A tick is at the point's cost, or at the end of the panel if the cost is beyond it. Those whose
    cost is not known are counted.
    """
    failed = records[records.status != "ok"]
    beyond = deciding(records)
    rows = [("failed", failed), (f"above {WORST:g}", beyond[beyond.rel_error > WORST])]
    rows = [(label, points) for label, points in rows if len(points)]
    if not rows:
        return
    strip = axes.inset_axes((0, 1.01, 1, STRIP * len(rows)))
    strip.set(xscale="log", xlim=axes.get_xlim(), ylim=(-0.6, len(rows) - 0.4))
    strip.grid(visible=False)
    strip.set_facecolor("#f4f4f4")
    strip.xaxis.set_visible(False)
    sns.despine(ax=strip, left=True, bottom=True)
    strip.set_yticks(range(len(rows)), [label for label, _ in rows], size="small")
    strip.tick_params(axis="y", length=0, colors="0.3")
    if unknown := int((~(failed[cost.column] > 0)).sum()):
        strip.set_title(f"and {unknown:,} failures of unknown cost", loc="right", **SMALL)
    low, high = axes.get_xlim()
    for row, (_, points) in enumerate(rows):
        known = points[cost.column] > 0
        for name, costs in points[known].groupby("estimator")[cost.column]:
            at = np.unique(np.clip(costs, low * 1.02, high / 1.02))
            strip.plot(at, np.full(len(at), row), color=style_of(str(name)).color, **TICK)


def _limits(axes: Axes, lines: Lines, limit: pd.Series | None, floor: float, room: float) -> None:
    """Set the limits of the axes from what is drawn, and shade the floor."""
    errors = np.concatenate([np.empty(0), *(y[np.isfinite(y)] for _, y in lines.values())])
    top = min(WORST, 3 * 10.0 ** np.ceil(np.log10(errors.max(initial=1e-2))))
    bottom = min(errors.min(initial=top) / 2, top / 1e4)
    if floor > 0:
        bottom = floor * (floor / top) ** 0.07  # a band of a fixed height on paper
        axes.axhspan(bottom, floor, color="#d9d9d9", lw=0, zorder=1)
        text = "below ten times the reference's uncertainty"
        middle, across = (bottom * floor) ** 0.5, axes.get_yaxis_transform()
        axes.text(0.99, middle, text, transform=across, ha="right", va="center", **SMALL)
    axes.set(xscale="log", yscale="log", ylim=(bottom, top))
    first, last = _ends(lines)
    if np.isnan(last):
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")
        first, last = 1.0, 10.0
    if limit is not None and len(limit):
        first = min(first, float(limit.index[-1]))  # at least the end of the limit is in sight
    margin = max((last / first) ** 0.03, 1.3)
    axes.set_xlim(first / margin, last * max((last / first) ** room, 1.3))
    decade_ticks(axes.yaxis, (max(bottom, floor), top), power)
