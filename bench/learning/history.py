"""The history of a learning run: its rows, one for each iteration, and its state after the last."""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.array_file import Read, opened_arrays
from gradpareto.systems import Array
from gradpareto.whole_file import write_whole

STATUS = ("done", "ok", "skipped", "diverged")
"""The status of a trial's iteration.

`done`: the trial had come to its end before. `ok`: its step was taken. `skipped`: its step was left
out, because the loss or the gradient was not finite. `diverged`: the trial was given up over that,
or its parameters were lost.
"""


class UnusableHistory(ValueError):  # noqa: N818
    """The history is damaged, or belongs to another run; the file is left as it is."""


@dataclass(frozen=True)
class Row:
    """One iteration of N trials; every column is (N,).

    Sums and means are over the batch of a trial. `status` indexes STATUS. `loss` and `grad_norm`
    are the estimator's own means. `heldout_loss`, on initial states that never change, is solved by
    the reference for every estimator; `rel_error` compares the first sample's gradient with its
    certified reference; both are NaN where they were not taken. `f_evals` and `vjp_evals` are sums.
    `wall_s` is the batch's time in seconds, over the number of trials in it. `failures` counts the
    samples without a finite gradient. `reconstruction` is |x(0) - its reconstruction|, for
    estimators that make one.
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
COUNTED = ("status", "f_evals", "vjp_evals", "failures")
"""The columns of whole numbers."""


@dataclass(frozen=True)
class State:
    """The state of N trials after `iteration` iterations.

    `theta` is (N, P), the optimiser's `moments` are (M, N, P). The rest is (N,): the updates made,
    the evaluations and seconds spent, and the index in STATUS: `ok` while a trial goes on, then
    `done` or `diverged`.
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
    """The rows of a run's iterations, the state after the last, and snapshots of the first trial.

    `snapshots` maps a number of iterations to the parameters (P,) that the first trial had then.
    """

    rows: list[Row]
    state: State
    snapshots: dict[int, Array]

    def column(self, name: str) -> Array:
        """Return a column of `Row` (iterations, N)."""
        made, trials = int(self.state.iteration), len(self.state.status)
        values = [getattr(row, name) for row in self.rows[:made]]
        kind = int if name in COUNTED else float  # which no value tells before the first iteration
        return np.array(values, dtype=kind).reshape(made, trials)

    @property
    def evals(self) -> Array:
        """The evaluations that each trial has spent after each iteration (iterations, N)."""
        return np.cumsum(self.column("f_evals") + self.column("vjp_evals"), axis=0)

    @property
    def seconds(self) -> Array:
        """The seconds that each trial has spent after each iteration (iterations, N)."""
        return np.cumsum(np.nan_to_num(self.column("wall_s")), axis=0)

    def spent(self, cost: str) -> Array:
        """Return what each trial had spent before each iteration (iterations, N).

        `cost` is `iterations`, `evals` or `seconds`.
        """
        after = {
            "iterations": np.cumsum(self.column("status") > 0, axis=0),
            "evals": self.evals,
            "seconds": self.seconds,
        }[cost]
        return np.vstack([np.zeros_like(after[:1]), after[:-1]])

    def table(self) -> pd.DataFrame:
        """Make one row for each iteration and trial, without those of trials that had ended.

        `evals` and `seconds` are what the trial has spent after the iteration.
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
    """Write a history to a file; `key` says which run it belongs to."""
    arrays: dict[str, Any] = {f"row_{name}": history.column(name) for name in COLUMNS}
    arrays |= {f"state_{f.name}": getattr(history.state, f.name) for f in fields(State)}
    arrays["snapshot_iterations"] = np.array(list(history.snapshots))
    arrays["snapshot_theta"] = np.array(list(history.snapshots.values()))
    content = io.BytesIO()
    np.savez_compressed(content, key=np.array(key), **arrays)
    write_whole(path, content.getvalue())


def load(path: Path, key: str, like: State) -> History:
    """Read the history of the run that `key` tells, whose state has the shapes of `like`.

    Raises UnusableHistory if the file is damaged, or its run was set up differently.
    """
    try:
        with opened_arrays(path) as read:
            held = str(read("key", str, ()))
            if held == key:
                return _read(read, *like.moments.shape)
    except Exception as error:  # A changed byte may fail anywhere: in zipfile, the header's parser.
        raise UnusableHistory(f"{path} is damaged: delete it to learn again") from error
    raise UnusableHistory(f"{path} was learned with {held[:500]}, not {key}: name another folder")


def _read(read: Read, moments: int, trials: int, parameters: int) -> History:
    """Read the arrays of a history. Raises ValueError if they contradict each other."""
    made = int(read("state_iteration", int, ()))
    state = State(
        np.array(made),
        theta=read("state_theta", float, (trials, parameters)),
        moments=read("state_moments", float, (moments, trials, parameters)),
        updates=read("state_updates", int, (trials,)),
        evals=read("state_evals", int, (trials,)),
        seconds=read("state_seconds", float, (trials,)),
        status=read("state_status", int, (trials,)),
    )
    columns = [
        read(f"row_{name}", int if name in COUNTED else float, (made, trials)) for name in COLUMNS
    ]
    rows = [Row(*values) for values in zip(*columns, strict=True)]
    taken = read("snapshot_iterations", int, (None,)).tolist()
    thetas = read("snapshot_theta", float, (len(taken), parameters))
    history = History(rows, state, dict(zip(taken, thetas, strict=True)))
    if not _consistent(history):
        raise ValueError("the arrays contradict each other")
    return history


def _consistent(history: History) -> bool:
    """Tell whether the state is where the rows lead to, and every number is one that can be."""
    state, status = history.state, history.column("status")
    made, ok, diverged = len(status), STATUS.index("ok"), STATUS.index("diverged")
    known = np.isin(status, range(len(STATUS))).all() and np.isin(state.status, (0, ok, diverged))
    counted = all((history.column(name) >= 0).all() for name in COUNTED)
    spent = (history.column("f_evals") + history.column("vjp_evals")).sum(axis=0)
    given_up = (status == diverged).any(axis=0)
    return bool(
        np.all(known)
        and counted
        and (state.evals == spent).all()
        and (state.updates == (status == ok).sum(axis=0)).all()
        and (state.status[given_up] == diverged).all()
        and (made > 0 or (state.status == ok).all())
        and 0 in history.snapshots
        and all(0 <= number <= made for number in history.snapshots)
    )
