"""What a learning run leaves: a row an iteration and trial, and where the parameters went."""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.store.records import write_whole
from gradpareto.systems import Array

STATUS = ("done", "ok", "skipped", "diverged")
"""An iteration's: the trial had come to its end before; its step was taken; or left out because the
loss or gradient was not finite; the trial was given up over that."""


class UnusableHistory(ValueError):  # noqa: N818
    """A history that is damaged, or of another run; it is left as it is."""


@dataclass(frozen=True)
class Row:
    """One iteration of N trials, each (N,). Sums and means are over the batch of a trial.

    `status` indexes STATUS; `loss` and `grad_norm` are the estimator's own; `heldout_loss`, on
    initial states that never change, is solved alike for every estimator; `rel_error` is that of
    the first sample's gradient against its certified reference; both are NaN where not taken.
    `f_evals` and `vjp_evals` are sums; `wall_s` is the batch's time over the trials in it;
    `failures` counts samples without a finite gradient. `reconstruction` is |x(0) - its
    reconstruction|, for estimators that make one.
    """

    status: Array
    loss: Array
    heldout_loss: Array
    grad_norm: Array
    rel_error: Array
    f_evals: Array
    vjp_evals: Array
    wall_s: Array
    failures: Array
    reconstruction: Array


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True)
class State:
    """Where N trials are after `iteration` iterations.

    theta (N, P), the optimiser's moments (M, N, P), and (N,): the updates made, what was spent, and
    its STATUS: `ok` while it goes on, then `done` or `diverged`.
    """

    iteration: Array
    theta: Array
    moments: Array
    updates: Array
    evals: Array
    seconds: Array
    status: Array


@dataclass
class History:
    """A row an iteration, the state after the last, and some parameters of the first trial.

    `snapshots` maps the number of iterations made to theta (P,) then.
    """

    rows: list[Row]
    state: State
    snapshots: dict[int, Array]

    def column(self, name: str) -> Array:
        """(iterations, N)."""
        made = int(self.state.iteration)
        return np.array([getattr(row, name) for row in self.rows[:made]]).reshape(made, -1)

    @property
    def evals(self) -> Array:
        """Evaluations that each trial has spent after each iteration (iterations, N)."""
        return np.cumsum(self.column("f_evals") + self.column("vjp_evals"), axis=0)

    @property
    def seconds(self) -> Array:
        """The same in seconds."""
        return np.cumsum(np.nan_to_num(self.column("wall_s")), axis=0)

    def table(self) -> pd.DataFrame:
        """A row an iteration and trial, without those of trials that had ended.

        `evals` and `seconds` are what the trial has spent after it.
        """
        iterations, trials = self.column("status").shape
        columns: dict[str, Any] = {
            "iteration": np.repeat(np.arange(iterations), trials),
            "trial": np.tile(np.arange(trials), iterations),
        }
        columns |= {name: self.column(name).ravel() for name in COLUMNS}
        columns |= {"evals": self.evals.ravel(), "seconds": self.seconds.ravel()}
        columns["status"] = np.array(STATUS)[columns["status"]]
        table = pd.DataFrame(columns)
        return table[table.status != "done"]


def save(path: Path, key: str, history: History) -> None:
    """Keep a history; `key` says which run it belongs to."""
    arrays: dict[str, Any] = {f"row_{name}": history.column(name) for name in COLUMNS}
    arrays |= {f"state_{f.name}": getattr(history.state, f.name) for f in fields(State)}
    arrays["snapshot_iterations"] = np.array(list(history.snapshots))
    arrays["snapshot_theta"] = np.array(list(history.snapshots.values()))
    content = io.BytesIO()
    np.savez_compressed(content, key=np.array(key), **arrays)
    write_whole(path, content.getvalue())


def load(path: Path, key: str) -> History:
    """Raises UnusableHistory if the file is damaged or its run was set up differently."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        held = str(arrays["key"])
        columns = [arrays[f"row_{name}"] for name in COLUMNS]
        rows = [Row(*values) for values in zip(*columns, strict=True)]
        state = State(*(arrays[f"state_{f.name}"] for f in fields(State)))
        taken = zip(arrays["snapshot_iterations"], arrays["snapshot_theta"], strict=True)
        snapshots = {int(iteration): theta for iteration, theta in taken}
    except Exception as error:  # A changed byte may fail anywhere: in zipfile, the header's parser.
        raise UnusableHistory(f"{path} is damaged: delete it to learn again") from error
    if held != key:
        raise UnusableHistory(f"{path} was learned with {held}, not {key}: name another folder")
    return History(rows, state, snapshots)
