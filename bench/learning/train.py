"""Training by one estimator, of all trials at once, as lanes of one batch."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from gradpareto.bench.learning.history import COLUMNS, STATUS, History, Row, State, load, save
from gradpareto.bench.learning.setups import Setup
from gradpareto.bench.run.attempt import Outcome, attempt
from gradpareto.bench.run.report import Report
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import NotSolved, certify, solve_loss
from gradpareto.systems import Array, Problem

OnDivergence = Literal["skip", "stop"]
"""The treatment of samples whose loss or gradient is not finite.

`skip` leaves them out of their trial's mean, and leaves the trial's step out if no sample remains;
`stop` ends the trial there as `diverged`. Either ends a trial whose parameters are lost (FARTHEST),
or that was skipped over and over (MOST_SKIPPED).
"""

CHECKPOINT_SECONDS = 20.0
MOST_SKIPPED = 30
"""A trial of which this many iterations in a row were skipped has diverged."""
FARTHEST = 1e3
"""A trial has diverged when its parameters' norm is this many times what it was, or at least 1."""
_DONE, _OK, _SKIPPED, _DIVERGED = range(len(STATUS))


@dataclass(frozen=True)
class Run:
    """One estimator's training.

    Every estimator of a comparison has the same seed, hence the same initial parameters and the
    same stream of initial states. A trial ends after `iterations`, or, given an `allowance`
    (trials,) of `unit`, when it has spent that. The held-out loss is taken every `heldout_every`
    iterations, the error of the first trial's gradient every `reference_every`, and its parameters
    every `snapshot_every` (0: never).
    """

    setup: Setup
    estimator: str
    setting: float
    trials: int = 1
    seed: int = 0
    iterations: int = 1000
    allowance: Array | None = None
    unit: Literal["evals", "seconds"] = "evals"
    on_divergence: OnDivergence = "skip"
    heldout_every: int = 1
    reference_every: int = 0
    snapshot_every: int = 0

    @property
    def key(self) -> str:
        """A text that tells one run from another: only the same run continues a history."""
        setup = self.setup
        optimiser = f"{setup.optimiser} clip {setup.clip:g} batch {setup.batch}"
        if np.isfinite(setup.clip_norm):
            optimiser += f" norm {setup.clip_norm:g}"
        if setup.precision != "float64":
            optimiser += f" {setup.precision}"
        if np.isfinite(setup.sample_evals):
            optimiser += f" {setup.sample_evals:g} evals a sample"
        schedules = "".join(f" {part}" for part in (setup.growth, setup.decay) if part)
        every = f"{self.heldout_every} {self.reference_every} {self.snapshot_every}"
        spend = "" if self.allowance is None else f" {self.unit} {self.allowance.sum():.9g}"
        return (
            f"{type(setup.system).__name__} {self.estimator} {self.setting:g}, "
            f"{self.trials} trials, horizon {setup.horizon}, seed {self.seed}, {optimiser}, "
            f"scale {setup.scale:g}{schedules}, "
            f"{self.iterations} iterations{spend}, {self.on_divergence}, every {every}"
        )


def train(run: Run, path: Path, report: Report) -> History:
    """Train, and return the run's history; it is kept in the file `path` and continued from there.

    It is kept after the first iteration that is made here, and then every CHECKPOINT_SECONDS.
    Raises UnusableHistory if the file holds another run's.
    """
    history, saved = _start(run), -np.inf
    if path.exists():
        history = load(path, run.key, history.state)
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
    """Return the mean loss (N,) of policies theta (N, P) on the held-out states.

    It is NaN where the loss of one of the states cannot be solved.
    """
    problem, x0 = setup.heldout(theta)
    losses = solve_loss(problem, x0, setup.heldout_tolerance, setup.heldout_attempts)
    losses = losses.reshape(len(theta), -1)
    return np.asarray(losses.mean(axis=1))


def _start(run: Run) -> History:
    """Make the history before the first iteration."""
    theta = run.setup.initial_theta(run.trials)
    moments = np.zeros((run.setup.optimiser.count, *theta.shape))
    none = np.zeros(run.trials, dtype=int)
    state = State(np.array(0), theta, moments, none, none, np.zeros(run.trials), none + _OK)
    return History([], state, {0: theta[0]})


def _iterate(run: Run, history: History) -> State:
    """Make one iteration of every trial that has not ended, and append its row to the history."""
    state, iteration, setup = history.state, int(history.state.iteration), run.setup
    trials = np.flatnonzero(state.status == _OK)
    given = state.theta[trials], trials, run.seed, iteration
    problem, x0 = setup.batch_of(*given, progress=_progress_of(run, state))
    with np.errstate(all="ignore"):
        outcome = attempt(
            ESTIMATORS[run.estimator], problem, x0, run.setting, allowance=setup.sample_evals
        )
        active, gradient = _row(run, outcome, x0, len(trials))
        if run.heldout_every and iteration % run.heldout_every == 0:
            active.heldout_loss[:] = heldout_loss(setup, state.theta[trials])
    if run.reference_every and iteration % run.reference_every == 0 and trials[0] == 0:
        active.rel_error[0] = _first_error(problem, x0, outcome)
    row = Row(**{name: _spread(getattr(active, name), trials, run.trials) for name in COLUMNS})
    del history.rows[iteration:]  # an interrupt may have come between the two assignments
    history.rows.append(row)
    moved = _moved(run, state, row, gradient)
    lost = _out_of_reach(history.snapshots[0], moved.theta) | _stuck(history, run.trials)
    lost &= state.status == _OK
    return replace(moved, status=np.where(lost, _DIVERGED, moved.status))


def _out_of_reach(start: Array, theta: Array) -> Array:
    """Tell which trials' parameters (N, P) are far beyond the first's at the start (P,)."""
    with np.errstate(over="ignore"):
        far = FARTHEST * max(float(np.linalg.norm(start)), 1.0)
        return np.asarray(~(np.linalg.norm(theta, axis=1) <= far))


def _stuck(history: History, trials: int) -> Array:
    """Tell which trials (N,) were skipped in each of the last iterations."""
    last = history.rows[-MOST_SKIPPED:]
    if len(last) < MOST_SKIPPED:
        return np.zeros(trials, dtype=bool)
    return np.asarray(np.all([row.status == _SKIPPED for row in last], axis=0))


def _row(run: Run, outcome: Outcome, x0: Array, trials: int) -> tuple[Row, Array]:
    """Make an iteration's row of the active trials alone, and their mean gradients (n, P).

    Its held-out loss and error are NaN as yet.
    """
    lost = np.full((len(x0), 1 + run.setup.policy.size), np.nan)
    loss, gradients, missed = lost[:, 0], lost[:, 1:], np.array([[np.nan]])
    if (estimate := outcome.estimate) is not None:
        loss, gradients = estimate.loss, estimate.grad_theta
        if estimate.reconstructed is not None:
            missed = np.linalg.norm(estimate.reconstructed - x0, axis=1).reshape(trials, -1)
    whole = np.isfinite(loss) & np.isfinite(gradients).all(axis=1)
    used = whole if run.on_divergence == "skip" else np.ones_like(whole)
    gradient = _mean(gradients, used, trials)
    mean = _mean(loss[:, None], used, trials)[:, 0]
    going = np.isfinite(mean) & np.isfinite(gradient).all(axis=1)
    row = Row(
        status=np.where(going, _OK, _SKIPPED if run.on_divergence == "skip" else _DIVERGED),
        loss=mean,
        heldout_loss=np.full(trials, np.nan),
        grad_norm=np.linalg.norm(gradient, axis=1),
        rel_error=np.full(trials, np.nan),
        f_evals=outcome.meter.f_evals.reshape(trials, -1).sum(axis=1),
        vjp_evals=outcome.meter.vjp_evals.reshape(trials, -1).sum(axis=1),
        wall_s=np.full(trials, outcome.seconds / trials),
        failures=(~whole).reshape(trials, -1).sum(axis=1),
        reconstruction=np.mean(missed * np.ones((trials, 1)), axis=1),
    )
    return row, gradient


def _mean(values: Array, used: Array, trials: int) -> Array:
    """Average the used samples of each trial (trials, m); the mean is NaN if none is used."""
    shown = np.where(used[:, None], values, 0).reshape(trials, -1, values.shape[1])
    return np.asarray(shown.sum(axis=1) / used.reshape(trials, -1).sum(axis=1)[:, None])


def _spread(values: Array, trials: Array, total: int) -> Array:
    """Place values of active trials among all; the others' are NaN, or zero, which is `done`."""
    everywhere = np.full(total, np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)
    everywhere[trials] = values
    return everywhere


def _moved(run: Run, state: State, row: Row, gradient: Array) -> State:
    """Return the state after a row: trials whose iteration is `ok` take the optimiser's step."""
    active = np.flatnonzero(state.status == _OK)
    good = row.status[active] == _OK
    moving, setup = active[good], run.setup
    change, moments = setup.optimiser.change(
        setup.clipped(gradient[good]), state.moments[:, moving], state.updates[moving]
    )
    if setup.decay is not None:
        change *= setup.decay.at(_progress_of(run, state))
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
    """Return the relative error of the first sample's gradient; NaN without it or a usable one."""
    first = problem.take(np.array([0]))
    theta = problem.theta if problem.trial is None else problem.theta[problem.trial[0]]
    if outcome.estimate is None:
        return np.nan
    try:
        reference = certify(replace(first, theta=theta, trial=None), x0[:1], thorough=False)
        truth = reference.demanded()[0]
    except (NotSolved, ValueError):
        return np.nan
    own = outcome.estimate.gradient[0]
    return float(np.linalg.norm(own - truth) / np.linalg.norm(truth))


def _progress(run: Run, state: State) -> tuple[int, int]:
    """Return what is done and what there is to do: iterations, or thousandths of the allowance."""
    if run.allowance is None:
        return int(state.iteration), run.iterations
    return int(1000 * _progress_of(run, state)), 1000


def _progress_of(run: Run, state: State) -> float:
    """Return the progress, from 0 to 1, of the trial that has made the least."""
    if run.allowance is None:
        return int(state.iteration) / run.iterations
    spent = state.evals if run.unit == "evals" else state.seconds
    return float(np.minimum(spent / run.allowance, 1).min())
