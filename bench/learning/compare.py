"""The policy of one system is learned with several estimators, alike in all but the gradient."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import psutil

from gradpareto.bench.learning.history import STATUS, History, State
from gradpareto.bench.learning.setups import HELDOUT, Setup
from gradpareto.bench.learning.train import OnDivergence, Run, heldout_loss, train
from gradpareto.bench.plugins.cell_code import history_path, set_aside_older_histories
from gradpareto.bench.run.report import Report
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder
from gradpareto.reference import certify
from gradpareto.systems import Array

Budget = Literal["iterations", "evals", "seconds"]
"""The resource of which every estimator has the same amount.

The first estimator makes its iterations. Under a budget of evals or seconds, each trial of the
other estimators goes on until it has spent what the same trial of the first did.
"""
LANE_ARRAYS = 30
"""The arrays (lanes, state_dim) that a solve of the held-out loss has at once: DOP853's stages."""
MOST_ITERATIONS = 100
"""An estimator that spends next to nothing makes at most this many times the first's iterations."""


@dataclass(frozen=True)
class Comparison:
    """A comparison: what the estimators share, and each one's setting, in the order of training."""

    name: str
    setup: Setup
    settings: Mapping[str, float]
    trials: int = 1
    seed: int = 0
    iterations: int = 1000
    budget: Budget = "iterations"
    on_divergence: OnDivergence = "skip"
    heldout_every: int = 1
    reference_every: int = 0
    snapshot_every: int = 0
    thinned: bool = False
    """Publish the iterations at which a held-out loss was taken, with eight digits: a training of
    tens of thousands of iterations fills megabytes otherwise. The histories keep everything."""

    def run(self, estimator: str, first: History | None) -> Run:
        """Make an estimator's run, given the first estimator's history (None for the first)."""
        run = Run(
            self.setup,
            estimator,
            self.settings[estimator],
            trials=self.trials,
            seed=self.seed,
            iterations=self.iterations,
            on_divergence=self.on_divergence,
            heldout_every=self.heldout_every,
            reference_every=self.reference_every,
            snapshot_every=self.snapshot_every,
        )
        if first is None or self.budget == "iterations":
            return run
        spent = first.state.evals if self.budget == "evals" else first.state.seconds
        most = MOST_ITERATIONS * self.iterations
        return replace(run, iterations=most, allowance=spent.astype(float), unit=self.budget)


def checked(comparison: Comparison) -> tuple[Comparison, str]:
    """Leave the checks of gradients out where references of the problem cannot judge.

    Return the comparison, and the reason if its checks were left out, else "".
    """
    if not comparison.reference_every:
        return comparison, ""
    theta = comparison.setup.initial_theta(1)
    problem, x0 = comparison.setup.batch_of(theta, np.zeros(1, dtype=int), comparison.seed, 0)
    reference = certify(problem.take(np.array([0])), x0[:1])
    if reference.usable().all():
        return comparison, ""
    return replace(comparison, reference_every=0), reference.verdict(0).text


def learn(comparison: Comparison, folder: Path, report: Report) -> dict[str, History]:
    """Train with each estimator, and return the histories by the estimators' names.

    They are kept in `folder`, beside records.csv and the provenance; what is there already is
    continued. Raises UnusableFolder or UnusableHistory if the folder holds something else, and
    ValueError if there are more trials than memory can hold.
    """
    _check_memory(comparison)
    held = RunFolder(folder)
    shared = {
        "learning": comparison.name,
        "trials": comparison.trials,
        "seed": comparison.seed,
        "iterations": comparison.iterations,
        "budget": comparison.budget,
    }
    with held.opened(shared):
        setup = comparison.setup
        set_aside_older_histories(
            held, comparison.settings, comparison.name, setup.system, setup.policy
        )
        held.add_session(session({}))
        histories: dict[str, History] = {}
        for estimator in comparison.settings:
            first = next(iter(histories.values()), None)
            run = comparison.run(estimator, first)
            histories[estimator] = train(run, history_path(folder, estimator), report)
        held.publish_table(records(comparison, histories), "%.8g" if comparison.thinned else None)
    return histories


def _check_memory(comparison: Comparison) -> None:
    """Raise ValueError if what all trials have at once is more than the memory that is free."""
    setup, free = comparison.setup, psutil.virtual_memory().available
    kept = setup.optimiser.count + 3  # the moments, theta, its gradient and its change
    lanes = setup.batch * setup.policy.size + HELDOUT * setup.system.state_dim * LANE_ARRAYS
    needed = 8 * comparison.trials * (kept * setup.policy.size + lanes)
    if needed > free:
        raise ValueError(
            f"{comparison.trials:,} trials at once take {needed / 2**30:,.0f} GiB of memory, and "
            f"{free / 2**30:,.0f} GiB are free: ask for fewer"
        )


def records(comparison: Comparison, histories: Mapping[str, History]) -> pd.DataFrame:
    """Make one row for each iteration, trial and estimator, with the columns of `Row`.

    A thinned comparison has the iterations alone at which a held-out loss was taken.
    """
    tables = []
    for estimator, history in histories.items():
        table = history.table()
        table.insert(0, "setting", comparison.settings[estimator])
        table.insert(0, "estimator", estimator)
        table.insert(0, "system", comparison.name)
        tables.append(table[table.heldout_loss.notna()] if comparison.thinned else table)
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class Summary:
    """The result of one estimator's run.

    `iterations`, `evals`, `seconds` and the held-out losses are medians over the trials; `skipped`
    (iterations), `failures` (samples without a gradient) and `diverged` (trials) are sums.
    `rel_error` is the median of the `checks` in which the first sample's gradient was compared with
    its reference.
    """

    estimator: str
    setting: float
    iterations: int
    evals: float
    seconds: float
    heldout_before: float
    heldout_after: float
    rel_error: float
    checks: int
    skipped: int
    failures: int
    diverged: int


def summary(comparison: Comparison, histories: Mapping[str, History]) -> list[Summary]:
    """Sum up each estimator's run."""
    start = heldout_loss(comparison.setup, comparison.setup.initial_theta(comparison.trials))
    rows = []
    for estimator, history in histories.items():
        state, status = history.state, history.column("status")
        errors = history.column("rel_error")[:, 0]
        errors = errors[np.isfinite(errors)]
        row = Summary(
            estimator=estimator,
            setting=comparison.settings[estimator],
            iterations=int(np.median((status != STATUS.index("done")).sum(axis=0))),
            evals=float(np.median(state.evals)),
            seconds=float(np.median(state.seconds)),
            heldout_before=float(np.median(start)),
            heldout_after=float(np.median(loss_after(comparison.setup, state))),
            rel_error=float(np.median(errors)) if len(errors) else np.nan,
            checks=len(errors),
            skipped=int((status == STATUS.index("skipped")).sum()),
            failures=int(history.column("failures").sum()),
            diverged=int((state.status == STATUS.index("diverged")).sum()),
        )
        rows.append(row)
    return rows


def loss_after(setup: Setup, state: State) -> Array:
    """Return the held-out loss (N,) of each trial's policy; NaN if the trial has diverged."""
    losses, whole = np.full(len(state.theta), np.nan), state.status != STATUS.index("diverged")
    if whole.any():
        losses[whole] = heldout_loss(setup, state.theta[whole])
    return losses


def best_theta(comparison: Comparison, histories: Mapping[str, History]) -> Array:
    """Return the parameters (P,) of the first estimator's trial that ends with the least loss.

    That is the held-out loss over the system's own horizon, even if training had another. Raises
    ValueError if no trial ends with a finite one.
    """
    theta: Array = next(iter(histories.values())).state.theta
    losses = heldout_loss(replace(comparison.setup, horizon=None), theta)
    if not np.isfinite(losses).any():
        raise ValueError("no trial ended with a finite held-out loss")
    best: Array = theta[np.nanargmin(losses)]
    return best
