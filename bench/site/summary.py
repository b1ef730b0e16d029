"""Summarises an estimator on a problem, for the tables of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import median_points, observed_order
from gradpareto.bench.judge.table import TARGETS, smallest_error
from gradpareto.bench.site.costs import EVALUATIONS, Priced, needed_text
from gradpareto.bench.site.page import Cell, cell, count, error_text, number
from gradpareto.bench.site.problem_run import ProblemRun
from gradpareto.bench.store.record import SUCCESSES
from gradpareto.systems import Array

HEADS = tuple(map(error_text, TARGETS))
MATCHED, OTHERS_AT = TARGETS.index(1e-6), TARGETS.index(1e-4)
"""The places of the errors at which evaluations are compared, and at which other costs are told."""


@dataclass(frozen=True)
class Summary:
    """An estimator on a problem: its evaluations (T,) for TARGETS, and the rest.

    `others` has its other costs with their numbers, at 1e-4. `over_least` is its evaluations over
    the fewest of any estimator, at 1e-6.
    """

    estimator: str
    evals: Array
    others: tuple[tuple[Priced, float], ...]
    over_least: float
    floor: float
    order: float
    samples: int
    failed: int

    def cells(self) -> list[Cell]:
        """Return the numbers as a row of a table."""
        return [
            *(cell(float(v), needed_text(EVALUATIONS, v)) for v in self.evals),
            number(self.over_least, ".3g"),
            *(cell(value, needed_text(cost, value)) for cost, value in self.others),
            number(self.floor, ".1e"),
            number(self.order, ".1f"),
            count(self.samples),
            count(self.failed),
        ]


def heads(costs: Sequence[Priced]) -> list[str]:
    """Return the heads of the columns of costs other than evaluations."""
    return [f"{cost.head}, {HEADS[OTHERS_AT]}" for cost in costs[1:]]


def summaries(problem: ProblemRun) -> dict[str, Summary]:
    """Summarise each estimator of a problem, also those of which nothing can be judged."""
    evals = {name: needed[MATCHED] for name, needed in problem.needed["evaluations"].items()}
    least = min((v for v in evals.values() if np.isfinite(v)), default=np.nan)
    groups = problem.records.groupby("estimator", sort=True)
    return {str(name): _summary(problem, str(name), rows, least) for name, rows in groups}


def _summary(problem: ProblemRun, name: str, rows: pd.DataFrame, least: float) -> Summary:
    failed = int((~rows.status.isin(SUCCESSES)).sum())
    own = problem.of.get(name)
    if own is None:
        others = tuple((cost, np.nan) for cost in problem.costs[1:])
        unknown = np.full(len(TARGETS), np.nan)
        return Summary(name, unknown, others, *(np.nan,) * 3, 0, failed)
    evals = problem.needed["evaluations"][name]
    return Summary(
        name,
        evals,
        tuple((c, float(problem.needed[c.name][name][OTHERS_AT])) for c in problem.costs[1:]),
        float(evals[MATCHED] / least) if np.isfinite(evals[MATCHED]) else np.inf,
        smallest_error(median_points(own)),
        observed_order(own),
        own["sample"].nunique(),
        failed,
    )
