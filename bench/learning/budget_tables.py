"""The tables of the budget study: its trainings, and the accuracy that a gradient needs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench.learning.budget import ESTIMATORS as ESTIMATORS_OF_STUDY
from gradpareto.bench.learning.budget import Training
from gradpareto.bench.learning.compare import learn, loss_after
from gradpareto.bench.learning.history import STATUS, History
from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.report import silent
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import NotSolved, solve_gradient
from gradpareto.systems import Array

JUDGED = 8
"""The samples of a batch whose mean gradient is compared with the true one."""
TRUTH_TOLERANCE = 1e-8
AS_GOOD = 0.05
"""A median loss is as good as the best at least up to this share of it above."""


@dataclass(frozen=True)
class Tables:
    """The tables of some trainings.

    `records` has a row for each trial: its final held-out loss and what a gradient of a sample
    took. `curves` has the held-out losses on the way, against the evaluations that the trial had
    spent. `gradients` has the error of the first trial's gradient relative to the true one, and
    the cosine between the two, at three moments of each training.
    """

    records: pd.DataFrame
    curves: pd.DataFrame
    gradients: pd.DataFrame


def joined(parts: list[Tables]) -> Tables:
    """Join the tables of several trainings."""
    return Tables(
        *(
            pd.concat([getattr(part, name) for part in parts], ignore_index=True)
            for name in ("records", "curves", "gradients")
        )
    )


def trained(training: Training, folder: Path) -> Tables:
    """Train, or go on where the folder's training was stopped, and return its tables."""
    with threadpool_limits(1), np.errstate(all="ignore"):
        history = learn(training.comparison, folder / training.name, silent)[training.estimator]
        made = _records(training, history), _curve(history), _gradients(training, history)
    names = {"system": training.system, "estimator": training.estimator}
    return Tables(*(pd.DataFrame(rows).assign(**names, setting=training.setting) for rows in made))


def _records(training: Training, history: History) -> dict[str, object]:
    state, status = history.state, history.column("status")
    made = (status != STATUS.index("done")).sum(axis=0)
    return {
        "trial": np.arange(training.trials),
        "status": [STATUS[int(s)] for s in state.status],
        "iterations": made,
        "evals_a_gradient": state.evals / (made * training.setup.batch),
        "lost": history.column("failures").sum(axis=0),
        "seconds": state.seconds,
        "heldout_loss": loss_after(training.setup, state),
    }


def _curve(history: History) -> dict[str, object]:
    losses = history.column("heldout_loss")
    iteration, trial = np.nonzero(np.isfinite(losses))
    return {
        "iteration": iteration,
        "trial": trial,
        "evals": history.spent("evals")[iteration, trial],
        "heldout_loss": losses[iteration, trial],
    }


def _gradients(training: Training, history: History) -> list[dict[str, float]]:
    """Compare the first trial's gradients inside the training with the true ones."""
    rows = []
    for iteration, theta in history.snapshots.items():
        if 0 < iteration < training.iterations:
            error, cosine = _compared(training, theta, iteration)
            rows.append({"iteration": iteration, "rel_error": error, "cosine": cosine})
    return rows or [{"iteration": 0, "rel_error": np.nan, "cosine": np.nan}]


def _compared(training: Training, theta: Array, iteration: int) -> tuple[float, float]:
    """Return the relative error of a mean gradient, and its cosine with the true one.

    Both are NaN without an estimate, or where the reference gives up.
    """
    progress = iteration / training.iterations
    first = np.zeros(1, dtype=int)
    problem, x0 = training.setup.batch_of(theta[None], first, 0, iteration, progress)
    lanes = np.arange(min(JUDGED, len(x0)))
    problem, x0 = problem.take(lanes), x0[lanes]
    estimator, allowance = ESTIMATORS[training.estimator], training.setup.sample_evals
    found = attempt(estimator, problem, x0, training.setting, allowance=allowance).estimate
    if found is None or not (used := np.isfinite(found.grad_theta).all(axis=1)).any():
        return np.nan, np.nan
    try:
        truth = solve_gradient(problem, x0, TRUTH_TOLERANCE).grad_theta
    except NotSolved:
        return np.nan, np.nan
    own, true = found.grad_theta[used].mean(axis=0), truth[used].mean(axis=0)
    size = float(np.linalg.norm(true))
    error = float(np.linalg.norm(own - true)) / size
    return error, float(own @ true) / (size * float(np.linalg.norm(own)))


KEY = ["system", "estimator", "setting"]


def settings_table(tables: Tables) -> pd.DataFrame:
    """Return a row for each training, with medians over its trials and over its gradients.

    A trial that diverged, or whose policy's loss cannot be solved, counts as infinitely bad.
    """
    records = tables.records.assign(heldout_loss=tables.records.heldout_loss.fillna(np.inf))
    columns = ["evals_a_gradient", "heldout_loss", "lost", "seconds"]
    table = records.groupby(KEY, sort=False)[columns].median()
    table["best"] = records.groupby(KEY).heldout_loss.min()
    table["worst"] = records.groupby(KEY).heldout_loss.max()
    table["trials"] = records.groupby(KEY).trial.count()
    columns = ["rel_error", "cosine"]
    return table.join(tables.gradients.groupby(KEY)[columns].median()).reset_index()


def bound_of(own: pd.DataFrame) -> float:
    """Return the loss up to which a training of one task ends as good as the best.

    It is that of the worst trial of the best training, or AS_GOOD above its median.
    """
    best = own.iloc[int(own.heldout_loss.argmin())]
    bound = float(best.heldout_loss + AS_GOOD * abs(best.heldout_loss))
    return max(bound, float(best.worst)) if np.isfinite(best.worst) else bound


def accuracy_needed(table: pd.DataFrame) -> pd.DataFrame:
    """Return, for each task, the error below which the final loss no longer improves.

    That is the largest relative error of a gradient of `settings_table` such that each training
    with a smaller one, or with this one, ends as good as the best: `rel_error`, with the
    estimator and the setting that it belongs to. `exceptions` counts trainings with a larger error
    that end as good all the same.
    """
    rows = []
    for system, own in table.dropna(subset=["rel_error"]).groupby("system", sort=False):
        by_error = own.sort_values("rel_error", ignore_index=True)
        good = by_error.heldout_loss <= bound_of(own)
        kept = int(good.cummin().sum())
        row = {"system": system, "best_loss": by_error.heldout_loss.min()}
        row |= dict.fromkeys(("rel_error", "cosine"), np.nan) | {"estimator": "", "setting": np.nan}
        if kept:
            last = by_error.iloc[kept - 1]
            row |= {name: last[name] for name in ("rel_error", "cosine", "estimator", "setting")}
        rows.append(row | {"trainings": len(own), "exceptions": int(good[kept:].sum())})
    return pd.DataFrame(rows)


def cheapest_as_good(table: pd.DataFrame) -> pd.DataFrame:
    """Return, for each task, each estimator's cheapest setting that ends as good as the best."""
    tasks = [own for _, own in table.groupby("system", sort=False)]
    good = pd.concat([own[own.heldout_loss <= bound_of(own)] for own in tasks])
    cheapest = good.groupby(["system", "estimator"], sort=False).evals_a_gradient.idxmin()
    return good.loc[cheapest].reset_index(drop=True)


def envelope(curves: pd.DataFrame, totals: Array) -> Array:
    """Return the least median held-out loss (K,) within each total of evaluations (K,).

    `curves` is of one estimator on one task. At each total, each setting has the loss that its
    trials had come to by then, and the best setting counts.
    """
    best = np.full(len(totals), np.inf)
    for _, own in curves.groupby("setting"):
        trials = [
            _held(trial.evals.to_numpy(), trial.heldout_loss.to_numpy(), totals)
            for _, trial in own.groupby("trial")
        ]
        best = np.fmin(best, np.median(trials, axis=0))
    return best


def _held(evals: Array, losses: Array, totals: Array) -> Array:
    """Return the last loss at or before each total: infinity before the first."""
    place = np.searchsorted(evals, totals, side="right")
    return np.concatenate([[np.inf], losses])[place]


def needed_page(needed: pd.DataFrame) -> str:
    """Write the table of `accuracy_needed` as Markdown.

    A task has "-" where the most accurate gradients do not end as good as the best.
    """
    rows = [
        {
            "task": row.system,
            "best final loss": f"{row.best_loss:.4g}",
            "largest error that suffices": f"{row.rel_error:.2g}" if row.estimator else "-",
            "its cosine": f"{row.cosine:.4f}" if row.estimator else "-",
            "with": f"{row.estimator!s} at {row.setting:.3g}" if row.estimator else "-",
            "trainings": str(row.trainings),
            "as good with a larger error": str(row.exceptions),
        }
        for row in needed.itertuples()
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


def cheapest_page(cheapest: pd.DataFrame) -> str:
    """Write the table of `cheapest_as_good` as Markdown: a row for each task, a column for each.

    A cell has the evaluations of a sample's gradient and, in brackets, its relative error.
    """
    cells = cheapest.assign(
        cell=[f"{row.evals_a_gradient:,.0f} ({row.rel_error:.1g})" for row in cheapest.itertuples()]
    ).pivot(index="system", columns="estimator", values="cell")
    order = [name for name in ESTIMATORS_OF_STUDY if name in cells.columns]
    cells = cells[order].reindex(cheapest.system.unique()).fillna("-")
    cells = cells.rename_axis(index="task", columns=None).reset_index()
    return cells.to_markdown(index=False, disable_numparse=True) + "\n"
