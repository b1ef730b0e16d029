"""Trains policies by one estimator: all trials at once, as lanes of one batch."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from gradpareto.bench.learning.history import COLUMNS, STATUS, History, Row, State, load, save
from gradpareto.bench.learning.setups import Setup
from gradpareto.bench.run.measure import Outcome, attempt
from gradpareto.bench.run.report import Report
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import NotSolved, certify, solve_loss
from gradpareto.systems import Array, Problem

Rule = Literal["skip", "stop"]
"""What samples whose loss or gradient is not finite do to their trial: they are left out of its
mean (and its step is, if none is left), or the trial ends there as `diverged`."""

CHECKPOINT_SECONDS = 20.0
HELDOUT_TOLERANCE = 1e-6
_DONE, _OK, _SKIPPED, _DIVERGED = range(len(STATUS))


@dataclass(frozen=True)
class Run:
    """One estimator's training. Every estimator of a comparison has the same seed, so the same
    initial parameters and the same stream of initial states.

    A trial ends after `iterations`, or, given an `allowance` (trials,) of `unit`, when it has spent
    that. Every `heldout_every` iterations the held-out loss is taken, every `reference_every` the
    first trial's error, every `snapshot_every` its parameters (0: never).
    """

    setup: Setup
    estimator: str
    setting: float
    trials: int = 1
    seed: int = 0
    iterations: int = 1000
    allowance: Array | None = None
    unit: Literal["evals", "seconds"] = "evals"
    rule: Rule = "skip"
    heldout_every: int = 1
    reference_every: int = 0
    snapshot_every: int = 0

    @property
    def key(self) -> str:
        """Tells one run from another: its history is only ever continued by the same."""
        setup = self.setup
        optimiser = f"{setup.optimiser} clip {setup.clip:g} batch {setup.batch}"
        every = f"{self.heldout_every} {self.reference_every} {self.snapshot_every}"
        spend = "" if self.allowance is None else f" {self.unit} {self.allowance.sum():.9g}"
        return (
            f"{type(setup.system).__name__} {self.estimator} {self.setting:g}, "
            f"{self.trials} trials, horizon {setup.horizon}, seed {self.seed}, {optimiser}, "
            f"scale {setup.scale:g}, "
            f"{self.iterations} iterations{spend}, {self.rule}, every {every}"
        )


def train(run: Run, path: Path, report: Report) -> History:
    """The run's history, continued from `path` if some of it is there, and kept there.

    Raises UnusableHistory if what is there is another run's.
    """
    history = load(path, run.key) if path.exists() else _start(run)
    saved = time.monotonic()
    try:
        while (history.state.status == _OK).any():
            history.state = _iterate(run, history)
            made = int(history.state.iteration)
            if run.snapshot_every and made % run.snapshot_every == 0:
                history.snapshots[made] = history.state.theta[0]
            report(run.estimator, *_progress(run, history.state))
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                save(path, run.key, history)
                saved = time.monotonic()
    finally:
        save(path, run.key, history)
    return history


def heldout_loss(setup: Setup, theta: Array) -> Array:
    """Mean loss (N,) of policies theta (N, P) on the held-out states; NaN if one is not finite."""
    problem, x0 = setup.heldout(theta)
    return solve_loss(problem, x0, HELDOUT_TOLERANCE).reshape(len(theta), -1).mean(axis=1)


def _start(run: Run) -> History:
    theta = run.setup.initial_theta(run.trials)
    moments = np.zeros((run.setup.optimiser.count, *theta.shape))
    none = np.zeros(run.trials, dtype=int)
    state = State(np.array(0), theta, moments, none, none, np.zeros(run.trials), none + _OK)
    return History([], state, {0: theta[0]})


def _iterate(run: Run, history: History) -> State:
    """One iteration of every trial that has not ended; its row is appended to the history."""
    state, iteration = history.state, int(history.state.iteration)
    trials = np.flatnonzero(state.status == _OK)
    problem, x0 = run.setup.batch_of(state.theta[trials], trials, run.seed, iteration)
    with np.errstate(all="ignore"):
        outcome = attempt(ESTIMATORS[run.estimator], problem, x0, run.setting)
        found, gradient = _found(run, outcome, x0, len(trials))
        if run.heldout_every and iteration % run.heldout_every == 0:
            found["heldout_loss"] = heldout_loss(run.setup, state.theta[trials])
    if run.reference_every and iteration % run.reference_every == 0 and trials[0] == 0:
        found["rel_error"] = np.full(len(trials), np.nan)
        found["rel_error"][0] = _first_error(problem, x0, outcome)
    nothing = np.full(len(trials), np.nan)
    row = Row(**{n: _spread(found.get(n, nothing), trials, run.trials) for n in COLUMNS})
    del history.rows[iteration:]  # an interrupt may have come between the two assignments
    history.rows.append(row)
    return _moved(run, state, row, gradient)


def _found(run: Run, outcome: Outcome, x0: Array, trials: int) -> tuple[dict[str, Array], Array]:
    """What an iteration's row says of the active trials, and their mean gradients (n, P)."""
    lost = np.full((len(x0), 1 + run.setup.policy.size), np.nan)
    loss, gradients, missed = lost[:, 0], lost[:, 1:], np.array([[np.nan]])
    if (estimate := outcome.estimate) is not None:
        loss, gradients = estimate.loss, estimate.grad_theta
        if estimate.reconstructed is not None:
            missed = np.linalg.norm(estimate.reconstructed - x0, axis=1).reshape(trials, -1)
    whole = np.isfinite(loss) & np.isfinite(gradients).all(axis=1)
    used = whole if run.rule == "skip" else np.ones_like(whole)
    gradient = _mean(gradients, used, trials)
    mean = _mean(loss[:, None], used, trials)[:, 0]
    going = np.isfinite(mean) & np.isfinite(gradient).all(axis=1)
    found = {
        "status": np.where(going, _OK, _SKIPPED if run.rule == "skip" else _DIVERGED),
        "loss": mean,
        "grad_norm": np.linalg.norm(gradient, axis=1),
        "f_evals": outcome.meter.f_evals.reshape(trials, -1).sum(axis=1),
        "vjp_evals": outcome.meter.vjp_evals.reshape(trials, -1).sum(axis=1),
        "wall_s": np.full(trials, outcome.seconds / trials),
        "failures": (~whole).reshape(trials, -1).sum(axis=1),
        "reconstruction": np.mean(missed * np.ones((trials, 1)), axis=1),
    }
    return found, gradient


def _mean(values: Array, used: Array, trials: int) -> Array:
    """Means (trials, m) over the samples of each trial that are used; NaN if none is."""
    shown = np.where(used[:, None], values, 0).reshape(trials, -1, values.shape[1])
    return np.asarray(shown.sum(axis=1) / used.reshape(trials, -1).sum(axis=1)[:, None])


def _spread(values: Array, trials: Array, total: int) -> Array:
    """Values of the active trials among all; the others' are NaN, or zero, which is `done`."""
    everywhere = np.full(total, np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)
    everywhere[trials] = values
    return everywhere


def _moved(run: Run, state: State, row: Row, gradient: Array) -> State:
    """The state after a row: trials whose iteration is `ok` take the optimiser's step."""
    active = np.flatnonzero(state.status == _OK)
    good = row.status[active] == _OK
    moving, clipped = active[good], np.clip(gradient[good], -run.setup.clip, run.setup.clip)
    change, moments = run.setup.optimiser.change(
        clipped, state.moments[:, moving], state.updates[moving]
    )
    theta, kept, updates = state.theta.copy(), state.moments.copy(), state.updates.copy()
    theta[moving] += change
    kept[:, moving] = moments
    updates[moving] += 1
    evals = state.evals + row.f_evals + row.vjp_evals
    seconds = state.seconds + np.nan_to_num(row.wall_s)
    iteration = state.iteration + 1
    over = np.full(run.trials, iteration >= run.iterations)
    if run.allowance is not None:
        over |= (evals if run.unit == "evals" else seconds) >= run.allowance
    status = np.where(state.status == _OK, np.where(over, _DONE, _OK), state.status)
    diverged = active[row.status[active] == _DIVERGED]
    status[diverged] = _DIVERGED
    return State(iteration, theta, kept, updates, evals, seconds, status)


def _first_error(problem: Problem, x0: Array, outcome: Outcome) -> float:
    """The relative error of the first sample's gradient; NaN without it or its reference."""
    first = problem.take(np.array([0]))
    theta = problem.theta if problem.trial is None else problem.theta[problem.trial[0]]
    if outcome.estimate is None:
        return np.nan
    try:
        truth = certify(replace(first, theta=theta, trial=None), x0[:1]).gradient[0]
    except (NotSolved, ValueError):
        return np.nan
    own = outcome.estimate.gradient[0]
    return float(np.linalg.norm(own - truth) / np.linalg.norm(truth))


def _progress(run: Run, state: State) -> tuple[int, int]:
    """How much is done, and of how much: iterations, or thousandths of the allowance."""
    if run.allowance is None:
        return int(state.iteration), run.iterations
    spent = state.evals if run.unit == "evals" else state.seconds
    return int(1000 * np.minimum(spent / run.allowance, 1).min()), 1000
