"""The page of the matrix of verdicts: families first, each of which unfolds into its members."""

from dataclasses import dataclass

import pandas as pd

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.draw.matrix_figure import family_counts, ordered
from gradpareto.bench.judge.matrix import counts
from gradpareto.bench.site.page import MATRIX, Page


@dataclass(frozen=True)
class Member:
    """An estimator of a family, and its cells: the problems it wins of those in common, or None."""

    name: str
    cells: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Family:
    """A family, the shares of comparisons with each family that it wins, and its members."""

    name: str
    shares: tuple[float | None, ...]
    members: tuple[Member, ...]


def matrix_page(matrix: pd.DataFrame) -> Page:
    """Return the page of a matrix of `bench.judge.matrix.verdict_matrix`."""
    won, both = counts(matrix)
    names = ordered(won, both)
    wins, played = (of.loc[names, names].to_numpy() for of in (won, both))
    members = {
        name: Member(name, tuple((w, n) if n else None for w, n in zip(*row, strict=True)))
        for name, *row in zip(names, wins.tolist(), played.tolist(), strict=True)
    }
    wins_of, played_of = family_counts(won, both)
    families = [
        Family(
            str(family),
            tuple(w / n if n else None for w, n in zip(*row, strict=True)),
            tuple(members[name] for name in names if family_of(name) == family),
        )
        for family, *row in zip(wins_of.index, wins_of.values, played_of.values, strict=True)
    ]
    problems = len(matrix[["system", "theta"]].drop_duplicates())
    data = {"families": families, "names": names, "problems": problems}
    return Page("matrix.html", MATRIX, "Who dominates whom", "matrix.html", data)
