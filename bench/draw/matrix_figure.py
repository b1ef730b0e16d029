"""The figure of the matrix of verdicts: who dominates whom, on how many problems."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.draw.figure_files import write
from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import family_color
from gradpareto.bench.judge.matrix import counts, write_matrix
from gradpareto.systems import Array

CELL = 0.24
"""Inches, a row or a column."""
GAP = 0.35
"""Between families, in cells."""
SMALL: dict[str, Any] = {"va": "top", "size": 8, "color": "0.3"}
COLORS = sns.diverging_palette(20, 250, s=85, l=45, sep=8, as_cmap=True)


def matrix_figure(matrix: pd.DataFrame) -> Figure:
    """Draw estimators in rows against the same in columns: blue where the row dominates, else red.

    The colour is (problems won - problems lost) over the problems on which both were measured, the
    number in a cell how many were won. Families are grouped, the best first, and within them who
    dominates most often is first. Bars: the problems on which nobody dominates the estimator, out
    of those on which it was measured. The matrix is that of `bench.judge.matrix.verdict_matrix`.
    """
    won, both = counts(matrix)
    names = ordered(won, both)
    won, both = won.loc[names, names], both.loc[names, names]
    at = _positions(names)
    side = max(CELL * (at[-1] + 1), 1.5)
    with sheet(side + 4.2, side + 3.2) as figure:
        axes = figure.subplots()
        squares = _cells(axes, won, both, at)
        _labels(axes, names, at)
        _bars(axes.inset_axes((1 + 0.15 / side, 0, 1.2 / side, 1), sharey=axes), matrix, names, at)
        problems = len(matrix[["system", "theta"]].drop_duplicates())
        title = f"Who dominates whom: {len(names)} estimators on {problems} problems"
        figure.suptitle(title, x=0.01, ha="left", weight="bold", size=12)
        scale = axes.inset_axes((0, -0.3 / side, min(1.0, 3 / side), 0.12 / side))
        figure.colorbar(squares, cax=scale, orientation="horizontal", ticks=[])
        for x, text in ((0, "dominated on all"), (1, "dominates on all")):
            scale.text(x, -0.6, text, transform=scale.transAxes, ha=("left", "right")[x], **SMALL)
        families = list(dict.fromkeys(family_of(name) for name in names))
        patches = [Patch(color=family_color(family), label=family) for family in families]
        figure.legend(handles=patches, loc="outside lower left", ncols=2, fontsize=8)
    return figure


def families_figure(matrix: pd.DataFrame) -> Figure:
    """Draw families of estimators in rows against the same in columns, for a page's width.

    A cell has the percentage of comparisons (a member of the row's family against one of the
    column's, on a problem that both were measured on) in which the row's member dominates.
    """
    wins_of, played_of = family_counts(*counts(matrix))
    order, wins, played = list(wins_of.index), wins_of.to_numpy(), played_of.to_numpy()
    sizes = Counter(map(family_of, matrix.new.unique()))
    with np.errstate(invalid="ignore", divide="ignore"):
        share, net = wins / played, (wins - wins.T) / played
    with sheet(8.6, 4.9) as figure:
        axes = figure.subplots()
        axes.imshow(net, cmap=COLORS, norm=Normalize(-1, 1), aspect="auto")
        for i, j in zip(*np.nonzero(played), strict=True):
            color = "white" if abs(net[i, j]) > 0.6 else "0.15"
            look: dict[str, Any] = {"ha": "center", "va": "center", "size": 9, "color": color}
            axes.text(j, i, f"{share[i, j]:.0%}", **look)
        members = [f"{family} ({sizes[family]})" for family in order]
        columns = [label.replace(", ", ",\n").replace(" (", "\n(") for label in members]
        axes.set_xticks(range(len(order)), columns, size=8, rotation=30, ha="left")
        axes.set_yticks(range(len(order)), members, size=9)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(False)
        axes.set_ylabel("how often one of these ...", size=9)
        axes.set_xlabel("... dominates one of these", size=9)
        sns.despine(ax=axes, left=True, bottom=True)
    return figure


def ordered(won: pd.DataFrame, both: pd.DataFrame) -> list[str]:
    """Order families by their best member's share of victories, and members by their own.

    `won` and `both` are those of `bench.judge.matrix.counts`.
    """
    shares = won.sum(axis=1) / both.sum(axis=1).clip(lower=1)
    best = shares.groupby([family_of(name) for name in shares.index]).max()
    return sorted(won.index, key=lambda n: (-best[family_of(n)], family_of(n), -shares[n], n))


def family_counts(won: pd.DataFrame, both: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sum what `bench.judge.matrix.counts` returns over families, in the order of `ordered`."""
    order = list(dict.fromkeys(map(family_of, ordered(won, both))))
    sums = (of.groupby(family_of).sum().T.groupby(family_of).sum().T for of in (won, both))
    wins, played = (one.loc[order, order] for one in sums)
    return wins, played


def _positions(names: list[str]) -> Array:
    """The positions of rows and columns, with a gap between families."""
    families = [family_of(name) for name in names]
    breaks = [one != other for one, other in zip(families[1:], families, strict=False)]
    return np.arange(len(names)) + GAP * np.cumsum([0, *breaks])


def _cells(axes: Axes, won: pd.DataFrame, both: pd.DataFrame, at: Array) -> PolyCollection:
    """Draw a square where both were measured, and in it the number of problems won."""
    wins, played = won.to_numpy(), both.to_numpy()
    with np.errstate(invalid="ignore"):
        net = (wins - wins.T) / played
    x, y = np.meshgrid(at, at)
    known = played > 0
    middles = np.column_stack([x[known], y[known]])
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    squares = PolyCollection(
        list(middles[:, None] + corners), cmap=COLORS, norm=Normalize(-1, 1), ec="white", lw=0.6
    )
    squares.set_array(net[known])
    axes.add_collection(squares)
    for i, j in zip(*np.nonzero(wins), strict=True):
        color = "white" if abs(net[i, j]) > 0.6 else "0.25"
        axes.text(at[j], at[i], str(wins[i, j]), ha="center", va="center", size=6.5, color=color)
    return squares


def _labels(axes: Axes, names: list[str], at: Array) -> None:
    """Write the names along two sides, in the colours of their families."""
    axes.set(xlim=(-0.6, at[-1] + 0.6), ylim=(at[-1] + 0.6, -0.6), aspect="equal")
    axes.set_xticks(at, names, rotation=90, size=8)
    axes.set_yticks(at, names, size=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    sns.despine(ax=axes, left=True, bottom=True)
    axes.set_ylabel("this estimator ...", size=9)
    axes.set_xlabel("... dominates this one, on this many problems", size=9)
    axes.xaxis.set_label_position("top")
    for axis in (axes.xaxis, axes.yaxis):
        for label, name in zip(axis.get_ticklabels(), names, strict=True):
            label.set_color(family_color(family_of(name)))


def _bars(axes: Axes, matrix: pd.DataFrame, names: list[str], at: Array) -> None:
    """Draw the share of an estimator's problems on which nobody dominates it, and the numbers."""
    met = matrix.assign(lost=matrix.answer == "is dominated")
    lost = met.groupby(["new", "system", "theta"]).lost.any().groupby("new")
    run = lost.size().reindex(names)
    free = run - lost.sum().reindex(names)
    colors = [family_color(family_of(name)) for name in names]
    axes.barh(at, free / run, height=0.8, color=colors, alpha=0.75)
    for y, k, n in zip(at, free, run, strict=True):
        axes.text(1.04, y, f"{k:.0f} of {n:.0f}", va="center", size=7.5, color="0.25")
    axes.set(xlim=(0, 1), xticks=[])
    axes.tick_params(labelleft=False, length=0)
    axes.grid(False)
    sns.despine(ax=axes, left=True, bottom=True)
    axes.set_title("dominated\nby nobody", size=9)


def publish_matrix(matrix: pd.DataFrame, folder: Path) -> list[Path]:
    """Write a matrix's tables and its figures into a run's folder, and return their paths."""
    place = folder / "figures"
    place.mkdir(exist_ok=True)
    families = write(families_figure(matrix), str(place / "families"))
    return (
        write_matrix(matrix, folder)
        + families
        + write(matrix_figure(matrix), f"{place / 'matrix'}")
    )
