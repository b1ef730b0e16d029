"""The figure of a problem: the frontiers of all estimators, each point with its data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from gradpareto.bench.draw.highlights import named
from gradpareto.bench.draw.lines import line, median_limit
from gradpareto.bench.draw.panel import ERROR, LIMIT, drawn_floor
from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import by_family, style_of
from gradpareto.bench.draw.ticks import decade_ticks, power
from gradpareto.bench.judge.frontier import (
    NO_ESTIMATE,
    Curve,
    at_floor,
    curve,
    median_points,
)
from gradpareto.bench.site.costs import EVALUATIONS, Recorded
from gradpareto.bench.site.problem_run import ProblemRun
from gradpareto.bench.site.svg import Point, Series, inline_svg
from gradpareto.systems import Array

WIDTH, HEIGHT = 8.6, 5.2


@dataclass(frozen=True)
class Frontier:
    """The median curve of an estimator, with the setting (K,) of each of its points."""

    estimator: str
    curve: Curve
    settings: Array


@dataclass(frozen=True)
class Plot:
    """A figure, and the estimators that it shows: those in colour, and the others in grey."""

    svg: Markup
    named: tuple[str, ...]
    others: tuple[str, ...]
    has_limit: bool


def frontiers(problem: ProblemRun, cost: Recorded) -> list[Frontier]:
    """Return the median curve of each estimator that has a point above the reference's floor."""
    floor = drawn_floor(problem.records)
    found = []
    for name, rows in problem.of.items():
        points = median_points(rows[~at_floor(rows)])
        setting = points.index.to_numpy(dtype=float)
        costs, error = (points[c].to_numpy(dtype=float) for c in (cost.column, "rel_error"))
        own = curve(setting, costs, error)
        estimates = (error <= NO_ESTIMATE) & (costs > 0)
        settings = np.sort(setting[estimates])[::-1]
        if (own.error >= floor).any():
            found.append(Frontier(name, own, settings))
    return found


def frontier_plot(problem: ProblemRun, cost: Recorded) -> Plot | None:
    """Draw the frontiers of a problem; None if no estimator has a point."""
    found = frontiers(problem, cost)
    if not found:
        return None
    floor = drawn_floor(problem.records)
    shown_in_full = named(pd.concat(list(problem.of.values())), cost.column)
    order = [one for one in found if one.estimator not in shown_in_full]
    order += [one for one in found if one.estimator in shown_in_full]  # the last lie above
    series: list[Series] = []
    with sheet(WIDTH, HEIGHT) as figure:
        axes = figure.subplots()
        limit = _limit(problem, cost, floor)
        _limits(axes, found, limit, floor)
        axes.plot(limit.index, limit, zorder=4, **LIMIT)
        for number, one in enumerate(order):
            series += _draw(axes, one, number, cost, floor, one.estimator in shown_in_full)
        decade_ticks(axes.xaxis, axes.get_xlim(), cost.axis.tick)
        decade_ticks(axes.yaxis, axes.get_ylim(), power)
        axes.set(xlabel=cost.axis.label, ylabel=ERROR)
    shown = {one.estimator for one in found}
    label = (
        f"Relative error against {cost.name} on {problem.title}, for {len(shown)} estimators. "
        "The table below has the numbers."
    )
    svg = inline_svg(figure, f"{cost.name}-", label, series)
    return Plot(
        svg,
        tuple(by_family(shown & shown_in_full)),
        tuple(sorted(shown - shown_in_full)),
        len(limit) > 0,
    )


def _limit(problem: ProblemRun, cost: Recorded, floor: float) -> pd.Series:
    """Return the quadrature limit by its vjps; nothing for another cost or where there is none."""
    if cost is not EVALUATIONS or problem.limit is None or problem.limit.empty:
        return pd.Series(dtype=float)
    return median_limit(problem.limit, floor)


def _limits(axes: Axes, found: Sequence[Frontier], limit: pd.Series, floor: float) -> None:
    drawn = [one.curve.evals[one.curve.error >= floor] for one in found]
    costs = np.concatenate([*drawn, limit.index.to_numpy(dtype=float)])
    errors = np.concatenate([one.curve.error[one.curve.error >= floor] for one in found])
    bottom = floor * 0.3 if floor > 0 else errors.min() / 2
    axes.set(xscale="log", yscale="log", ylim=(bottom, 2 * NO_ESTIMATE))
    axes.set_xlim(costs.min() / 1.4, costs.max() * 1.4)
    if floor > 0:
        axes.axhspan(bottom, floor, color="#d9d9d9", lw=0, zorder=1)


def _draw(
    axes: Axes, one: Frontier, number: int, cost: Recorded, floor: float, named: bool
) -> list[Series]:
    """Draw a frontier as a line and as points, and say what becomes of the two."""
    look = style_of(one.estimator)
    line_look, point_look = look.median(), look.median()
    line_look |= {"marker": ""}
    point_look |= {"linestyle": ""}
    gids = f"line-{number}", f"points-{number}"
    shown = one.curve.error >= floor
    axes.plot(*line(one.curve, floor), zorder=5, gid=gids[0], **line_look)
    costs, errors = one.curve.evals[shown], one.curve.error[shown]
    axes.plot(costs, errors, zorder=6, gid=gids[1], **point_look)
    points = [
        _point(one.estimator, cost, *values)
        for values in zip(one.settings[shown], costs, errors, strict=True)
    ]
    kind = "series" if named else "series other"
    attributes = {"class": kind, "data-estimator": one.estimator}
    return [Series(gids[0], attributes), Series(gids[1], attributes, points)]


def _point(name: str, cost: Recorded, setting: float, value: float, error: float) -> Point:
    told = f"{name} at {setting:.4g}: error {error:.2g}, {cost.text(value)} {cost.unit}"
    data = {"setting": f"{setting:.4g}", "cost": f"{value:.6g}", "error": f"{error:.3g}"}
    return Point(told, data)
