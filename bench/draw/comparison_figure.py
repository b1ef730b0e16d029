"""The figure of a comparison: two frontiers, and the ratio of their evaluations with its band."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from gradpareto.bench.draw.figure_files import write
from gradpareto.bench.draw.panel import ERROR, EVALS, panel
from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.judge.evidence import Rule, evidence
from gradpareto.bench.judge.frontier import comparable, median_curve
from gradpareto.bench.judge.medians import median_known
from gradpareto.bench.judge.paired import LADDER, paired_log_ratios
from gradpareto.bench.store.file_names import file_stem, inside


def draw_comparison(
    records: pd.DataFrame,
    problem: tuple[str, str],
    new: str,
    baseline: str,
    rule: Rule,
    folder: Path,
) -> list[Path]:
    """Write the figure of two estimators on a problem into a run's folder; return the paths."""
    own = records[(records.system == problem[0]) & (records.theta == problem[1])]
    place = folder / "figures"
    place.mkdir(exist_ok=True)
    stem = "-".join(map(file_stem, (*problem, new, "against", baseline)))
    figure = comparison_figure(comparable(own), new, baseline, rule)
    return write(figure, str(inside(place, stem)))


def comparison_figure(records: pd.DataFrame, new: str, baseline: str, rule: Rule) -> Figure:
    """Draw two estimators on the records of one problem.

    On the left are their frontiers; on the right, against the target error, NEW's evaluations over
    BASELINE's: the median sample's, with the band that holds the median at the rule's level.
    """
    both = records[records.estimator.isin([new, baseline])]
    with sheet(11, 4.6) as figure:
        left, right = figure.subplots(1, 2)
        panel(left, both, EVALS, None)
        left.set(xlabel=EVALS.label, ylabel=ERROR.replace(" of ", " of\n"))
        first = records.iloc[0]
        top: Any = left.child_axes[0] if left.child_axes else left
        top.set_title(f"{first.system}, {first.theta}", loc="left", weight="bold")
        for name in dict.fromkeys((new, baseline)):
            left.plot([], [], label=name, **style_of(name).median())
        left.legend(loc="upper right", fontsize=9)
        _ratio(right, both, new, baseline, rule)
    return figure


def _ratio(axes: Axes, records: pd.DataFrame, new: str, baseline: str, rule: Rule) -> None:
    """Draw the ratio of evaluations against the target error, and where it is significant."""
    ratios = paired_log_ratios(records, new, baseline, LADDER)
    found = evidence(ratios, rule)
    ends = [median_curve(own).error.min(initial=1.0) for _, own in records.groupby("estimator")]
    errors = LADDER[: found.targets]
    kept = errors >= min(ends)
    axes.set(xscale="log", yscale="log", xlabel="target relative error")
    axes.set_ylabel(f"evaluations of {new}\nover those of {baseline}")
    axes.axhspan(1 / (1 + rule.margin), 1 + rule.margin, color="#d9d9d9", lw=0, zorder=1)
    axes.axhline(1, color="0.4", lw=1)
    if not kept.any():
        axes.text(0.5, 0.5, "nothing in common", transform=axes.transAxes, ha="center", color="0.4")
        return
    errors, color = errors[kept], style_of(new).color
    middle = np.exp(median_known(ratios[:, : found.targets][:, kept].T))
    seen = np.where(np.isfinite(middle) & (middle > 0), middle, np.nan)
    edges = np.nanmin([*seen, 0.7]) / 1.5, np.nanmax([*seen, 1.4]) * 1.5
    low, high = (np.exp(np.clip(end[kept], *np.log(edges))) for end in (found.lower, found.upper))
    axes.fill_between(errors, low, high, color=color, alpha=0.2, lw=0, step="mid")
    axes.plot(errors, seen, color=color, lw=1.8)
    points = np.clip(middle, edges[0] * 1.08, edges[1] / 1.08)
    for signs, label, marker in (
        (found.ahead[kept] & (middle > 0), f"{new} significantly ahead", "v"),
        (found.behind[kept] & (middle < np.inf), f"{new} significantly behind", "^"),
        (middle == 0, f"only {new} arrives", 7),
        (middle == np.inf, f"only {baseline} arrives", 6),
    ):
        look: dict[str, Any] = {"marker": marker, "ms": 5, "linestyle": "", "color": color}
        axes.plot(errors[signs], points[signs], label=label if signs.any() else None, **look)
    axes.set(xlim=(errors[0] * 1.2, errors[-1] / 1.2), ylim=edges)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(_few if edges[1] / edges[0] < 30 else _none))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="best", fontsize=9)
    text = f"band: the median of {found.samples} samples, at {100 - 100 * rule.alpha:g} % each way"
    axes.set_title(text, loc="left", size="small", color="0.3")


def _few(value: float, _: object) -> str:
    """Label some of the minor ticks of an axis of few decades."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _none(value: float, _: object) -> str:
    return ""
