"""One system's policy learned by several estimators, alike in all but the gradient."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gradpareto.bench.learning.history import STATUS, History
from gradpareto.bench.learning.setups import Setup
from gradpareto.bench.learning.train import Rule, Run, heldout_loss, train
from gradpareto.bench.plugins import claim_histories
from gradpareto.bench.run.report import Report
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder, write_whole

Budget = Literal["iterations", "evals", "seconds"]
"""What all estimators have the same of: the first makes its iterations; given evals or seconds,
each trial of the others goes on until it has spent what that trial of the first did."""
MOST_ITERATIONS = 100
"""Times the first's, should an estimator spend next to nothing."""


@dataclass(frozen=True)
class Comparison:
    """What the estimators have in common, and the setting of each, in the order of training."""

    name: str
    setup: Setup
    settings: Mapping[str, float]
    trials: int = 1
    seed: int = 0
    iterations: int = 1000
    budget: Budget = "iterations"
    rule: Rule = "skip"
    heldout_every: int = 1
    reference_every: int = 0
    snapshot_every: int = 0

    def run(self, estimator: str, first: History | None) -> Run:
        """The estimator's run, given the history of the first."""
        run = Run(
            self.setup,
            estimator,
            self.settings[estimator],
            trials=self.trials,
            seed=self.seed,
            iterations=self.iterations,
            rule=self.rule,
            heldout_every=self.heldout_every,
            reference_every=self.reference_every,
            snapshot_every=self.snapshot_every,
        )
        if first is None or self.budget == "iterations":
            return run
        spent = first.state.evals if self.budget == "evals" else first.state.seconds
        most = MOST_ITERATIONS * self.iterations
        return replace(run, iterations=most, allowance=spent.astype(float), unit=self.budget)


def learn(comparison: Comparison, folder: Path, report: Report) -> dict[str, History]:
    """Histories by estimator, kept in `folder` with records.csv and provenance; continued from it.

    Raises UnusableFolder or UnusableHistory if the folder holds something else.
    """
    held = RunFolder(folder)
    held.open(
        {
            "learning": comparison.name,
            "trials": comparison.trials,
            "seed": comparison.seed,
            "iterations": comparison.iterations,
            "budget": comparison.budget,
        }
    )
    claim_histories(held, comparison.settings, comparison.name)
    held.add_session(session({}))
    histories: dict[str, History] = {}
    for estimator in comparison.settings:
        first = next(iter(histories.values()), None)
        run = comparison.run(estimator, first)
        histories[estimator] = train(run, folder / f"{estimator}.npz", report)
    write_whole(held.records_path, records(comparison, histories).to_csv(index=False))
    return histories


def records(comparison: Comparison, histories: Mapping[str, History]) -> pd.DataFrame:
    """A row an iteration of each trial of each estimator, with the columns of `Row`."""
    tables = []
    for estimator, history in histories.items():
        table = history.table()
        table.insert(0, "setting", comparison.settings[estimator])
        table.insert(0, "estimator", estimator)
        table.insert(0, "system", comparison.name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def summary(comparison: Comparison, histories: Mapping[str, History]) -> list[dict[str, Any]]:
    """What each estimator came to; medians over the trials, sums of what was skipped.

    `rel_error` is the median of the `checks` in which the first sample's gradient was held to its
    reference.
    """
    rows = []
    for estimator, history in histories.items():
        state, status = history.state, history.column("status")
        errors = history.column("rel_error")[:, 0]
        errors = errors[np.isfinite(errors)]
        final = heldout_loss(comparison.setup, state.theta)
        start = heldout_loss(comparison.setup, comparison.setup.initial_theta(comparison.trials))
        rows.append(
            {
                "estimator": estimator,
                "setting": comparison.settings[estimator],
                "iterations": int(np.median((status != STATUS.index("done")).sum(axis=0))),
                "evals": float(np.median(state.evals)),
                "seconds": float(np.median(state.seconds)),
                "heldout_before": float(np.median(start)),
                "heldout_after": float(np.median(final)),
                "rel_error": float(np.median(errors)) if len(errors) else np.nan,
                "checks": len(errors),
                "skipped": int((status == STATUS.index("skipped")).sum()),
                "failures": int(history.column("failures").sum()),
                "diverged": int((state.status == STATUS.index("diverged")).sum()),
            }
        )
    return rows


def best_theta(comparison: Comparison, histories: Mapping[str, History]) -> np.ndarray:
    """Parameters (P,) of the first estimator's trial whose held-out loss is smallest at the end.

    Over the system's own horizon, even if it was trained on another.
    """
    theta = next(iter(histories.values())).state.theta
    losses = heldout_loss(replace(comparison.setup, horizon=None), theta)
    if not np.isfinite(losses).any():
        raise ValueError("no trial ended with a finite held-out loss")
    return theta[np.nanargmin(losses)]
