"""The figures of a run: relative error against evaluations, memory and time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedFormatter, FixedLocator, NullLocator

from gradpareto.bench.draw.figure_files import DPI, write
from gradpareto.bench.draw.highlights import MOST_NAMED, highlighted
from gradpareto.bench.draw.lines import line, median_limit
from gradpareto.bench.draw.styles import Style, by_family, style_of
from gradpareto.bench.judge.frontier import (
    FLOOR_FACTOR,
    NO_ESTIMATE,
    at_floor,
    comparable,
    deciding,
    median_curve,
    median_points,
)
from gradpareto.bench.store.file_names import file_stem, inside
from gradpareto.systems import Array

ENTRY = 0.222
"""The height of an entry of a legend, in inches."""
WORST = 10.0
"""Errors above this are not told apart: their points are carets at the top edge."""

LIMIT: dict[str, Any] = {"color": "#1a1a1a", "linestyle": (0, (4, 2)), "lw": 1.6}
SAMPLE: dict[str, Any] = {"marker": "o", "linestyle": "", "ms": 2.8, "mew": 0}
BEYOND: dict[str, Any] = {"marker": "^", "linestyle": "", "ms": 5, "mew": 0}
FAILED: dict[str, Any] = {"marker": "x", "linestyle": "", "ms": 7, "mew": 2}
SPREAD: dict[str, Any] = {"lw": 4, "alpha": 0.3}
OTHER: dict[str, Any] = {"color": "#bdbdbd", "lw": 0.8}
"""Estimators that are drawn, and not named, among many."""


def _power(value: float) -> str:
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "10" + str(round(np.log10(value))).translate(raised)


@dataclass(frozen=True)
class Cost:
    """The cost on the horizontal axis: a column of the records, its label and its ticks."""

    column: str
    label: str
    tick: Callable[[float], str]


EVALS = Cost("evals", "oracle evaluations a sample (f + vjp)", EngFormatter(sep=""))
MEMORY = Cost("peak_bytes", "peak bytes a sample", EngFormatter("B"))
TIME = Cost("wall_ratio", "wall time over that of bptt at T/100", lambda value: f"{value:g}")
Limits = Mapping[tuple[str, str], pd.DataFrame]
ERROR = "relative error of (dL/dx0, dL/dtheta), 2-norm"


def reference_floor(records: pd.DataFrame) -> float:
    """The relative error below which nothing of one problem is drawn; 0 if it is unknown."""
    ok = records[(records.status == "ok") & (records.rel_error > 0)]
    floors = FLOOR_FACTOR * ok.reference_uncertainty * ok.rel_error / ok.abs_error
    return float(floors.median()) if len(ok) else 0.0


def frontier_figure(records: pd.DataFrame, limit: pd.DataFrame) -> Figure:
    """Draw one problem's errors against evaluations, with the quadrature limit."""
    return _one_panel(records, EVALS, limit)


def memory_figure(records: pd.DataFrame) -> Figure:
    """Draw one problem's errors against peak memory, where it was traced."""
    return _one_panel(records, MEMORY, None)


def time_figure(records: pd.DataFrame) -> Figure:
    """Draw one problem's errors against wall time; bars show the spread of the repeats."""
    return _one_panel(records, TIME, None)


def headline(records: pd.DataFrame, limits: Limits) -> Figure:
    """Draw the frontiers of all problems side by side, with one legend below.

    Samples whose true gradient is zero are left out, and problems that have no others.
    """
    records = comparable(records)
    problems = _problems(records)
    columns = len(problems) if len(problems) <= 3 else int(np.ceil(np.sqrt(len(problems))))
    rows = -(-len(problems) // columns)
    with sheet(2.2 + 4.5 * columns, 1.6 + 3.8 * rows) as figure:
        for index, (problem, group) in enumerate(problems):
            axes = figure.add_subplot(rows, columns, index + 1)
            _panel(axes, group, EVALS, limits[problem])
            axes.set_ylabel("" if index % columns else ERROR.replace(" of ", " of\n"))
            axes.set_xlabel("" if index + columns < len(problems) else EVALS.label)
        handles = _handles(records, EVALS)
        figure.legend(handles=handles, loc="outside lower center", ncols=2 * columns)
    return figure


def draw_run(records: pd.DataFrame, limits: Limits, folder: Path) -> list[Path]:
    """Write each problem's three figures and the headline, as PNG and SVG; return the paths.

    There is no figure of a problem on whose samples the true gradient is zero.
    """
    records = comparable(records)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for problem, group in _problems(records):
        stem = str(inside(folder, "-".join(map(file_stem, problem))))
        paths += write(frontier_figure(group, limits[problem]), f"{stem}-frontier")
        paths += write(memory_figure(group), f"{stem}-memory")
        paths += write(time_figure(group), f"{stem}-time")
    return paths + (write(headline(records, limits), f"{folder / 'headline'}") if paths else [])


def _problems(records: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    return [((str(s), str(t)), rows) for (s, t), rows in records.groupby(["system", "theta"])]


@contextmanager
def sheet(width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure to draw on, and place everything once at the end."""
    own: dict[Any, Any] = {"font.sans-serif": ["DejaVu Sans"], "legend.frameon": False}
    own |= {"grid.color": "#ebebeb", "axes.edgecolor": "#9a9a9a"}
    context = sns.plotting_context("notebook", font_scale=0.95)
    with sns.axes_style("whitegrid"), context, mpl.rc_context(own):
        figure = Figure((width, height), DPI, layout="constrained")
        yield figure
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _one_panel(records: pd.DataFrame, cost: Cost, limit: pd.DataFrame | None) -> Figure:
    records = comparable(records)
    handles = _handles(records, cost)
    with sheet(10, max(5.6, 0.3 + ENTRY * len(handles))) as figure:
        axes = figure.subplots()
        _panel(axes, records, cost, limit)
        axes.set(xlabel=cost.label, ylabel=ERROR)
        figure.legend(handles=handles, loc="outside right upper")
    return figure


def _panel(axes: Axes, records: pd.DataFrame, cost: Cost, limit: pd.DataFrame | None) -> None:
    floor, known = reference_floor(records), records[records[cost.column] > 0]
    drawn, failed = deciding(known), known[known.status != "ok"]
    costs = np.concatenate([drawn[cost.column], failed[cost.column], [1.0] * (cost is EVALS)])
    _limits(axes, costs, drawn.rel_error.to_numpy(), floor)
    _ticks(axes.xaxis, axes.get_xlim(), cost.tick)
    if limit is not None:
        curve = median_limit(limit, floor)
        axes.plot(curve.index, curve, zorder=4, **LIMIT)
    named, all_of = _named(records, cost), dict(list(records.groupby("estimator")))
    for name, own in drawn.groupby("estimator"):
        medians = line(median_curve(all_of[name], cost.column), floor)
        if name in named:
            _samples(axes, own, cost, floor, style_of(str(name)))
            axes.plot(*medians, zorder=5, **style_of(str(name)).median())
            if cost is TIME:
                _spreads(axes, all_of[name], floor, style_of(str(name)))
        else:
            axes.plot(*medians, zorder=2, **OTHER)
    _failures(axes, records, cost, named)
    first, count = records.iloc[0], records["sample"].nunique()
    title = f"{first.system}, {first.theta}: {count} sample{'s' * (count > 1)}"
    axes.set_title(title, loc="left", weight="bold")
    sns.despine(ax=axes)


def _samples(axes: Axes, records: pd.DataFrame, cost: Cost, floor: float, style: Style) -> None:
    """Draw the samples of an estimator as faint points."""
    seen = records[records.rel_error.between(floor, WORST)]
    beyond = records[records.rel_error > WORST]
    faint: dict[str, Any] = {"color": style.color, "alpha": 0.22}
    # As vectors they would be megabytes.
    axes.plot(seen[cost.column], seen.rel_error, rasterized=True, **SAMPLE, **faint)
    edge, top = np.full(len(beyond), 0.993), axes.get_xaxis_transform()
    axes.plot(beyond[cost.column], edge, transform=top, **BEYOND, **faint)


def _spreads(axes: Axes, records: pd.DataFrame, floor: float, style: Style) -> None:
    """Draw the spread of an estimator's wall time as a bar through each of its medians."""
    points = median_points(records[~at_floor(records)])
    points = points[points.rel_error.between(floor, NO_ESTIMATE) & (points.wall_ratio > 0)]
    x, half = points.wall_ratio, points.wall_ratio_spread / 2
    ends = np.maximum(x - half, 0.1 * x), x + half
    axes.hlines(points.rel_error, *ends, color=style.color, **SPREAD)


def _named(records: pd.DataFrame, cost: Cost) -> set[str]:
    """The estimators drawn in full on one problem: of many, only the highlighted ones."""
    everyone, named = set(records.estimator), highlighted(records, cost.column)
    return named if len(everyone) > MOST_NAMED else everyone


def _failures(axes: Axes, records: pd.DataFrame, cost: Cost, named: set[str]) -> None:
    """Draw a cross at the top edge for each failure, at the left edge if its cost is not known."""
    failed, height = records[(records.status != "ok") & records.estimator.isin(named)], 0.96
    for name, costs in failed.groupby("estimator")[cost.column]:
        look = FAILED | {"color": style_of(str(name)).color, "zorder": 6}
        known = costs[costs > 0]
        axes.plot(known, np.full(len(known), 0.96), transform=axes.get_xaxis_transform(), **look)
        if len(known) < len(costs):
            axes.plot(0.012, height, transform=axes.transAxes, **look)
            height -= 0.04


def _handles(records: pd.DataFrame, cost: Cost) -> list[Line2D]:
    """The entries of the legend: the estimators, and whatever else is in sight."""
    problems, most = _problems(records), records["sample"].nunique()
    one_problem, handles = len(problems) == 1, []
    named = set().union(*(_named(group, cost) for _, group in problems))
    for name in by_family(named):
        count = records[records.estimator == name]["sample"].nunique()
        few = f" ({count} sample{'s' * (count > 1)})" if one_problem and count < most else ""
        handles.append(Line2D([], [], label=name + few, **style_of(name).median()))
    unnamed = len(set(records.estimator) - named)
    others = [
        (f"{unnamed} other estimators", OTHER, unnamed > 0),
        ("quadrature limit", LIMIT, cost is EVALS),
        ("one sample", SAMPLE | {"ms": 4}, True),
        ("spread of repeats", SPREAD, cost is TIME),
        (f"error above {WORST:g}", BEYOND, bool((deciding(records).rel_error > WORST).any())),
        ("failed", FAILED, bool((records.status != "ok").any())),
    ]
    grey: dict[str, Any] = {"color": "#6b6b6b"}
    return handles + [Line2D([], [], label=t, **grey | look) for t, look, seen in others if seen]


def _limits(axes: Axes, x: Array, errors: Array, floor: float) -> None:
    """Set the limits of the axes from what is drawn, and shade the floor."""
    top = min(WORST, 3 * 10.0 ** np.ceil(np.log10(errors.max(initial=1e-2))))
    bottom = min(errors.min(initial=top) / 2, top / 1e4)
    if floor > 0:
        bottom = floor * (floor / top) ** 0.07  # a band of a fixed height on paper
        axes.axhspan(bottom, floor, color="#d9d9d9", lw=0, zorder=1)
        text = "below ten times the reference's uncertainty"
        where: dict[str, Any] = {"ha": "right", "va": "center", "size": "small", "color": "0.3"}
        middle, across = (bottom * floor) ** 0.5, axes.get_yaxis_transform()
        axes.text(0.99, middle, text, transform=across, **where)
    axes.set(xscale="log", yscale="log", ylim=(bottom, top))
    if len(x):
        margin = max((x.max() / x.min()) ** 0.03, 1.3)
        axes.set_xlim(x.min() / margin, x.max() * margin)
    else:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")
    _ticks(axes.yaxis, (max(bottom, floor), top), _power)


def _ticks(axis: Axis, ends: tuple[float, float], label: Callable[[float], str]) -> None:
    """Put ticks at decades, or finer where these are few; of many, label every second one."""
    low, high = np.log10(ends)
    mantissas = (1,) if np.floor(high) - np.ceil(low) >= 2 else (1, 2, 5)
    places = np.outer(10.0 ** np.arange(np.floor(low), high), mantissas).ravel()
    places = places[(places >= ends[0]) & (places <= ends[1])]
    step = 1 if len(places) <= 9 else 2
    labels = [label(v) if round(np.log10(v)) % step == 0 else "" for v in places]
    axis.set_major_locator(FixedLocator(places.tolist()))
    axis.set_major_formatter(FixedFormatter(labels))
    axis.set_minor_locator(NullLocator())
