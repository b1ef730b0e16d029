"""The figures of a run: relative error against evaluations, memory and time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import adjustText
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from gradpareto.bench.draw.figure_files import write
from gradpareto.bench.draw.highlights import RULE, named
from gradpareto.bench.draw.panel import (
    ERROR,
    EVALS,
    LIMIT,
    MEMORY,
    MIDDLE_HALF,
    OTHER,
    SPREAD,
    TIME,
    Cost,
    panel,
)
from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import by_family, style_of
from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.store.file_names import file_stem, inside

Limits = Mapping[tuple[str, str], pd.DataFrame]
ENTRY = 0.222
"""The height of a row of a legend, in inches."""
NAMES_TAKE = 0.22
"""The share of the curves' length that their names take beside them."""
HALO = withStroke(linewidth=2.5, foreground="white")


def frontier_figure(records: pd.DataFrame, limit: pd.DataFrame) -> Figure:
    """Draw one problem's errors against evaluations, with the quadrature limit."""
    return _one_panel(records, EVALS, limit)


def memory_figure(records: pd.DataFrame) -> Figure:
    """Draw one problem's errors against the memory that is stored, where it was traced."""
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
    shown = set().union(*(named(group, EVALS.column) for _, group in problems))
    lines = [Line2D([], [], label=name, **style_of(name).median()) for name in by_family(shown)]
    handles = [*lines, *_explained(records, shown, EVALS)]
    entries = ENTRY * -(-len(handles) // (2 * columns))
    with sheet(2.2 + 4.5 * columns, 1.2 + entries + 3.8 * rows) as figure:
        for index, (problem, group) in enumerate(problems):
            axes = figure.add_subplot(rows, columns, index + 1)
            panel(axes, group, EVALS, limits[problem])
            _title(axes, group)
            axes.set_ylabel("" if index % columns else ERROR.replace(" of ", " of\n"))
            axes.set_xlabel("" if index + columns < len(problems) else EVALS.label)
        _legend(figure, handles, loc="outside lower center", ncols=2 * columns)
    return figure


def draw_run(records: pd.DataFrame, limits: Limits, folder: Path) -> list[Path]:
    """Write each problem's figures and the headline, and return the paths.

    There is no figure of a problem on whose samples the true gradient is zero, and none of time
    where none was measured.
    """
    records = comparable(records)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for problem, group in _problems(records):
        stem = str(inside(folder, "-".join(map(file_stem, problem))))
        paths += write(frontier_figure(group, limits[problem]), f"{stem}-frontier")
        paths += write(memory_figure(group), f"{stem}-memory")
        if group.wall_ratio.notna().any():
            paths += write(time_figure(group), f"{stem}-time")
    return paths + (write(headline(records, limits), f"{folder / 'headline'}") if paths else [])


def _problems(records: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    return [((str(s), str(t)), rows) for (s, t), rows in records.groupby(["system", "theta"])]


def _one_panel(records: pd.DataFrame, cost: Cost, limit: pd.DataFrame | None) -> Figure:
    """Draw one problem, each named estimator's name beside its curve."""
    records = comparable(records)
    shown = named(records, cost.column)
    with sheet(10, 6.2) as figure:
        axes = figure.subplots()
        panel(axes, records, cost, limit, NAMES_TAKE)
        _title(axes, records)
        axes.set(xlabel=cost.label, ylabel=ERROR)
        handles = _explained(records, shown, cost)
        _legend(figure, handles, loc="outside lower left", ncols=4, fontsize=9)
        figure.draw_without_rendering()  # names are placed where everything else stands
        _label(axes, records, shown)
    return figure


def _legend(figure: Figure, handles: list[Any], **look: Any) -> None:
    """Draw a legend below the panels; in a figure of many, it says whom the figure names."""
    many = any("other estimators" in handle.get_label() for handle in handles)
    title = f"Named are {RULE}." if many else None
    figure.legend(handles=handles, title=title, title_fontsize=9, alignment="left", **look)


def _title(axes: Axes, records: pd.DataFrame) -> None:
    """Name the problem above the panel and its strips."""
    first, count = records.iloc[0], records["sample"].nunique()
    title = f"{first.system}, {first.theta}: {count} sample{'s' * (count > 1)}"
    top: Any = axes.child_axes[0] if axes.child_axes else axes
    top.set_title(title, loc="left", weight="bold")


def _label(axes: Axes, records: pd.DataFrame, shown: set[str]) -> None:
    """Write the name of each named estimator at the end of its curve that is in sight."""
    colors = {style_of(name).color: name for name in shown}
    most, texts, drawn = records["sample"].nunique(), [], []
    low, high = axes.get_xlim()
    for curve in axes.lines:
        points = np.column_stack(curve.get_data()).astype(float)
        points = points[np.isfinite(points).all(axis=1) & (points[:, 0] <= high)]
        drawn.append(points)
        name = colors.get(str(curve.get_color()))
        if name is None or not len(points):
            continue
        count = records[records.estimator == name]["sample"].nunique()
        few = f" ({count} sample{'s' * (count > 1)})" if count < most else ""
        look: dict[str, Any] = {"color": curve.get_color(), "size": 9, "weight": "bold"}
        x, y = points[-1]
        texts.append(axes.text(x, y, name + few, path_effects=[HALO], zorder=7, **look))
    if texts:
        all_x, all_y = np.vstack(drawn).T
        arrow = {"arrowstyle": "-", "color": "0.5", "lw": 0.6}
        adjustText.adjust_text(texts, x=all_x, y=all_y, ax=axes, arrowprops=arrow, iter_lim=200)
        axes.set_xlim(low, high)


def _explained(records: pd.DataFrame, shown: set[str], cost: Cost) -> list[Any]:
    """Return the entries of the legend that are no estimator's."""
    unnamed = len(set(records.estimator) - shown)
    grey: dict[str, Any] = {"color": "#6b6b6b"}
    entries: list[tuple[str, Any, bool]] = [
        (f"{unnamed} other estimators", Line2D([], [], **OTHER), unnamed > 0),
        ("quadrature limit", Line2D([], [], **LIMIT), cost is EVALS),
        ("middle half of the samples", Patch(**grey | MIDDLE_HALF), True),
        ("spread of repeats", Line2D([], [], **grey | SPREAD), cost is TIME),
    ]
    for label, handle, _ in entries:
        handle.set_label(label)
    return [handle for _, handle, seen in entries if seen]
