"""Summarises an estimator on a problem, for the tables of both."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import median_points, observed_order
from gradpareto.bench.judge.table import TARGETS, smallest_error
from gradpareto.bench.site.costs import COSTS, needed_text
from gradpareto.bench.site.page import Cell, cell, count, error_text, number
from gradpareto.bench.site.problem_run import ProblemRun
from gradpareto.bench.store.record import SUCCESSES
from gradpareto.systems import Array

HEADS = tuple(map(error_text, TARGETS))
MATCHED, BYTES_AT = TARGETS.index(1e-6), TARGETS.index(1e-4)
"""The places of the errors at which evaluations are compared, and at which memory is told."""


@dataclass(frozen=True)
class Summary:
    """An estimator on a problem: evaluations, bytes and time (T,) for TARGETS, and the rest.

    `over_least` is its evaluations over the fewest of any estimator, at 1e-6.
    """

    estimator: str
    evals: Array
    stored: Array
    time: Array
    over_least: float
    floor: float
    order: float
    samples: int
    failed: int

    def cells(self) -> list[Cell]:
        """Return the numbers as a row of a table."""
        evals, time, stored = COSTS
        return [
            *(cell(float(v), needed_text(evals, v)) for v in self.evals),
            number(self.over_least, ".3g"),
            cell(self.stored[BYTES_AT], needed_text(stored, self.stored[BYTES_AT])),
            cell(self.time[BYTES_AT], needed_text(time, self.time[BYTES_AT])),
            number(self.floor, ".1e"),
            number(self.order, ".1f"),
            count(self.samples),
            count(self.failed),
        ]


def summaries(problem: ProblemRun) -> dict[str, Summary]:
    """Summarise each estimator of a problem, also those of which nothing can be judged."""
    evals = {name: needed[MATCHED] for name, needed in problem.needed["evaluations"].items()}
    least = min((v for v in evals.values() if np.isfinite(v)), default=np.nan)
    groups = problem.records.groupby("estimator", sort=True)
    return {str(name): _summary(problem, str(name), rows, least) for name, rows in groups}


def _summary(problem: ProblemRun, name: str, rows: pd.DataFrame, least: float) -> Summary:
    failed = int((~rows.status.isin(SUCCESSES)).sum())
    own = problem.of.get(name)
    unknown = np.full(len(TARGETS), np.nan)
    if own is None:
        return Summary(name, *(unknown,) * 3, *(np.nan,) * 3, 0, failed)
    evals = problem.needed["evaluations"][name]
    return Summary(
        name,
        evals,
        problem.needed["memory"][name],
        problem.needed["time"][name],
        float(evals[MATCHED] / least) if np.isfinite(evals[MATCHED]) else np.inf,
        smallest_error(median_points(own)),
        observed_order(own),
        own["sample"].nunique(),
        failed,
    )
