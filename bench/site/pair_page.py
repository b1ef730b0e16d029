"""The page of a pair of estimators, and the table of all pairs that have one."""

from collections.abc import Mapping, Sequence

from gradpareto.bench.judge.paired import MIRROR
from gradpareto.bench.site.page import PAIRS, Page, count, number, page_of
from gradpareto.bench.site.pair_plot import pair_plot
from gradpareto.bench.site.pairs import Pair

ORDER = ("dominates", "is dominated", "neither", "tied", "not enough evidence")


def pair_path(new: str, baseline: str) -> str:
    """Return the path of the page of a pair, in the order of the pair."""
    return page_of("pairs", new, baseline)


def pair_page(pair: Pair) -> Page:
    """Return the page of a pair: the verdict on each problem, and what it rests on."""
    rows = []
    for part in pair.parts:
        found = part.found
        numbers = [
            number(part.ratio, ".3g"),
            count(int(found.ahead.sum())),
            count(int(found.behind.sum())),
            count(found.targets),
            count(found.samples),
        ]
        rows.append(
            {
                "system": part.problem.system,
                "theta": part.problem.theta,
                "answer": found.answer,
                "numbers": numbers,
                "evidence": found.sentence(pair.new, pair.baseline),
            }
        )
    data = {
        "new": pair.new,
        "baseline": pair.baseline,
        "sentence": _sentence(pair),
        "rows": rows,
        "plot": pair_plot(pair) if pair.parts else "",
    }
    path = pair_path(pair.new, pair.baseline)
    return Page(path, PAIRS, f"{pair.new} against {pair.baseline}", "pair.html", data)


def _sentence(pair: Pair) -> str:
    """Say in a sentence on how many problems each answer was found."""
    if not pair.parts:
        return "The two were measured on no common sample."
    found = [(answer, pair.count(answer)) for answer in ORDER]
    told = {
        "dominates": f"{pair.new} dominates on {{}}",
        "is dominated": f"{pair.baseline} dominates on {{}}",
        "neither": "neither dominates on {}",
        "tied": "they are tied on {}",
        "not enough evidence": "not enough is known on {}",
    }
    parts = [told[answer].format(times) for answer, times in found if times]
    total = len(pair.parts)
    return f"Of {total} problem{'s' * (total != 1)}: " + ", ".join(parts) + "."


def pairs_page(names: Sequence[str], judged: Sequence[Pair], left_out: int) -> Page:
    """Return the table of the pairs: on how many problems the row dominates the column."""
    won: dict[tuple[str, str], tuple[int, str]] = {}
    for pair in judged:
        path = pair_path(pair.new, pair.baseline)
        won[pair.new, pair.baseline] = pair.count("dominates"), path
        won[pair.baseline, pair.new] = pair.count(MIRROR["dominates"]), path
    rows = [{"name": name, "cells": _cells(name, names, won)} for name in names]
    data = {"names": names, "rows": rows, "left_out": left_out}
    return Page("pairs.html", PAIRS, "Pairs", "pairs.html", data)


def _cells(
    name: str, names: Sequence[str], won: Mapping[tuple[str, str], tuple[int, str]]
) -> list[dict[str, object] | None]:
    """Return the cells of a row, None on the diagonal."""
    cells: list[dict[str, object] | None] = []
    for other in names:
        if name == other:
            cells.append(None)
        else:
            times, path = won[name, other]
            cells.append({"won": times, "path": path, "other": other})
    return cells
