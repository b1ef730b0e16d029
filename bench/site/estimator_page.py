"""The page of an estimator, and the list of all estimators."""

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.judge.mean_ratio import ProblemKey
from gradpareto.bench.site.decision import Decision
from gradpareto.bench.site.estimator_plot import estimator_plot
from gradpareto.bench.site.failures import failures
from gradpareto.bench.site.overview_page import KNOBS, decision_cell
from gradpareto.bench.site.page import ESTIMATORS, Page, count, number, page_of
from gradpareto.bench.site.problem_run import Run
from gradpareto.bench.site.summary import HEADS, Summary, heads
from gradpareto.bench.site.swatch import swatch
from gradpareto.estimators import ESTIMATORS as REGISTERED
from gradpareto.estimators import Declaration

Summaries = Mapping[ProblemKey, Mapping[str, Summary]]
TRAITS = {
    "exact": "its gradient is that of its own discretisation, to rounding",
    "stiff": "accuracy alone limits its steps on a stiff system",
    "reconstructs": "its backward pass computes the states again",
    "forward_only": "it has no backward pass",
    "iterative": "it iterates, so that a step's cost depends on the problem",
    "stochastic": "it draws random numbers",
    "cost_grows_with_parameters": "its calls grow with the number of parameters",
    "per_lane": "it solves the samples of a batch one after the other",
}
"""The fields of a declaration that are told if they hold."""


@dataclass(frozen=True)
class Least:
    """The errors for which an estimator needs the fewest evaluations on a problem."""

    system: str
    theta: str
    targets: tuple[str, ...]


def estimators_page(run: Run, decided: Sequence[Decision], summed: Summaries) -> Page:
    """Return the list of estimators."""
    won = [one.winner.estimator for one in decided if one.winner is not None]
    rows = []
    for name in run.estimators:
        declares = REGISTERED[name].declares if name in REGISTERED else None
        own = [of[name].over_least for of in summed.values() if name in of]
        reached = [value for value in own if np.isfinite(value)]
        numbers = [
            number(_order(declares), "g"),
            number(np.nan if declares is None else declares.memory, "g"),
            count(len(reached)),
            number(float(np.median(own)) if own and not np.isnan(own).any() else np.nan, ".3g"),
            count(won.count(name)),
        ]
        knob = "" if declares is None else declares.knob
        row = {"estimator": name, "family": family_of(name), "knob": knob, "numbers": numbers}
        rows.append(row | {"swatch": swatch(name)})
    return Page("estimators.html", ESTIMATORS, "Estimators", "estimators.html", {"rows": rows})


def _order(declares: Declaration | None) -> float:
    return np.nan if declares is None or declares.order is None else float(declares.order)


def estimator_page(
    run: Run,
    name: str,
    decided: Sequence[Decision],
    summed: Summaries,
    pairs: Sequence[tuple[str, str]],
) -> Page:
    """Return the page of an estimator; `pairs` are others, each with the path of the pair's."""
    own = [problem for problem in run.problems if name in summed[problem.key]]
    won = [one for one in decided if one.winner is not None and one.winner.estimator == name]
    data = {
        "name": name,
        "swatch": swatch(name),
        "declared": _declared(name),
        "cells": [decision_cell(one) for one in won],
        "best": _least(name, summed),
        "targets": HEADS,
        "heads": heads(run.costs),
        "plot": estimator_plot(name, own),
        "rows": [
            {
                "system": problem.system,
                "theta": problem.theta,
                "kind": problem.kind,
                "numbers": summed[problem.key][name].cells(),
            }
            for problem in own
        ],
        "failures": [row for problem in own for row in failures(problem.failures_of(name))],
        "pairs": pairs,
        "texts": docstrings(name),
    }
    return Page(page_of("estimators", name), ESTIMATORS, name, "estimator.html", data)


def _declared(name: str) -> list[tuple[str, str]]:
    """Return what a registered estimator says of itself; nothing of another."""
    if name not in REGISTERED:
        return []
    declares = REGISTERED[name].declares
    held = [told for trait, told in TRAITS.items() if getattr(declares, trait)]
    return [
        ("family", family_of(name)),
        ("setting", KNOBS[declares.knob]),
        ("order", "none" if declares.order is None else str(declares.order)),
        ("stored bytes grow as", f"the number of steps to the power {declares.memory:g}"),
        *([("and", "; ".join(held))] if held else []),
        ("paper", declares.source or "none is named"),
    ]


def _least(name: str, summed: Summaries) -> list[Least]:
    """Return the problems on which an estimator needs the fewest evaluations."""
    found = []
    for (system, theta), of in summed.items():
        if name not in of:
            continue
        table: Any = np.array([one.evals for one in of.values()])
        least = np.min(np.where(np.isfinite(table), table, np.inf), axis=0)
        wins = np.isfinite(of[name].evals) & (of[name].evals <= least)
        targets = tuple(head for head, wins_it in zip(HEADS, wins, strict=True) if wins_it)
        if targets:
            found.append(Least(system, theta, targets))
    return found


def docstrings(name: str) -> list[str]:
    """Return the docstrings of the module and the class of a registered estimator."""
    if name not in REGISTERED:
        return []
    kind = type(REGISTERED[name])
    module = inspect.getdoc(sys.modules[kind.__module__])
    texts = [module, kind.__doc__ and inspect.getdoc(kind)]
    return [text for text in texts if text]
