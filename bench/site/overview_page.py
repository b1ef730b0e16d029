"""The first page: the decision table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.judge.evidence import MARGIN
from gradpareto.bench.site.costs import RATIO, STORED, Clocked, Priced
from gradpareto.bench.site.decision import MOST_EVALS, Decision, Ranked, kinds_of
from gradpareto.bench.site.page import OVERVIEW, Page, error_text, page_of
from gradpareto.bench.site.problem_run import Run
from gradpareto.bench.site.summary import HEADS
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems.kinds import KINDS

KNOBS = {"step": "the largest step", "tolerance": "a relative tolerance", "rollouts": "rollouts"}
"""The knobs of estimators in words."""
TIMED_NOTE = (
    "An estimator was not timed, and cannot win, where its calls of the dynamics alone take longer "
    "than the whole gradient of the fastest two."
)
"""The sentences about who was timed."""


@dataclass(frozen=True)
class DecisionCell:
    """A cell of the decision table: the winner with its evidence, or why there is none."""

    kind: str
    target: str
    label: str
    winner: str
    what: str
    margin: str
    rests: str
    path: str
    anchor: str
    none: str


def overview_page(run: Run, decided: Sequence[Decision]) -> Page:
    """Return the page with a table for each cost."""
    data = {
        "tables": [_table(run, cost, decided) for cost in run.costs],
        "targets": HEADS,
        "kinds": list(KINDS.items()),
        "problems": len(run.problems),
        "estimators": len(run.estimators),
    }
    return Page("index.html", OVERVIEW, "Which estimator should I use?", "overview.html", data)


def _table(run: Run, cost: Priced, decided: Sequence[Decision]) -> Mapping[str, Any]:
    rows = []
    for kind in kinds_of(run.problems):
        number = sum(problem.kind == kind for problem in run.problems)
        own = [one for one in decided if one.cost is cost and one.kind == kind]
        cells = [decision_cell(one) for one in own]
        problems = f"{number} problem{'s' * (number != 1)}"
        rows.append({"kind": kind, "problems": problems, "cells": cells})
    return {
        "name": cost.name,
        "anchor": cost.anchor,
        "heading": cost.heading,
        "explained": cost.explained,
        "note": _note(run, cost),
        "measured": any(problem.is_measured(cost) for problem in run.problems),
        "rows": rows,
    }


def _note(run: Run, cost: Priced) -> str:
    """Say what has to be known of a cost in this run."""
    if cost is STORED:
        return (
            f"An estimator that needs more than {MOST_EVALS:.0f} times the fewest evaluations, in "
            "the mean over the problems of the kind, cannot win."
        )
    if isinstance(cost, Clocked):
        return TIMED_NOTE
    if cost is not RATIO:
        return ""
    alone = "One sample at a time: not measured."
    if not any(problem.is_measured(cost) for problem in run.problems):
        return f"This run has no wall times. {alone}"
    samples = run.shared["samples"]
    if samples == 1:
        return "It is that of one sample. In batches of 32: not measured."
    batch = f"It is that of a batch of {samples} samples, or of fewer of an expensive estimator."
    return f"{batch} {alone}"


def decision_cell(decision: Decision) -> DecisionCell:
    """Return a decision as it is told in a cell."""
    winner = decision.winner
    return DecisionCell(
        decision.kind,
        error_text(decision.target),
        f"{decision.kind}, error {error_text(decision.target)}, {decision.cost.name}",
        "" if winner is None else winner.estimator,
        "" if winner is None else _what(winner.estimator),
        _margin(decision),
        "" if winner is None else _rests(decision, winner),
        page_of("kinds", decision.kind),
        decision.name,
        "" if winner is not None else _none(decision),
    )


def _rests(decision: Decision, winner: Ranked) -> str:
    """Say on how many problems a win rests."""
    total, systems = decision.total, decision.systems
    rests = f"reached on {winner.reached} of {total} problem{'s' * (total != 1)}"
    return f"{rests}, of {systems} system{'s' * (systems != 1)}" if systems < total else rests


def _what(estimator: str) -> str:
    """Say what a registered estimator is."""
    if estimator not in ESTIMATORS:
        return family_of(estimator)
    declares = ESTIMATORS[estimator].declares
    order = "no fixed order" if declares.order is None else f"order {declares.order}"
    return f"{family_of(estimator)}, {order}; its setting is {KNOBS[declares.knob]}"


def _none(decision: Decision) -> str:
    if not decision.total:
        return "no such problem in this run"
    if not decision.measured:
        return "not measured"
    if decision.reached:
        return "reached, at a cost that was not measured"
    return "no estimator is known to reach it"


def _margin(decision: Decision) -> str:
    """Name the second, and say how it compares with the winner."""
    winner, second, margin = decision.winner, decision.second, decision.margin
    if winner is None:
        return ""
    if second is None:
        return "no other reaches it"
    told = f"second: {second.estimator}"
    if second.reached < winner.reached or not np.isfinite(margin):
        told += f", {'measured' if second.unknown else 'which reaches it'} on {second.reached}"
        return f"{told}, at {margin:.3g} times the cost there" if np.isfinite(margin) else told
    if margin < 1 + MARGIN:
        return f"{told}, level within {100 * MARGIN:.0f} %"
    return f"{told}, {margin:.3g} times as much"
