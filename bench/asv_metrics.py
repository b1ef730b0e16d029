"""The numbers that a maintainer follows over commits, all better when lower."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache

import numpy as np

from gradpareto.bench.draw.highlights import ALWAYS
from gradpareto.bench.judge.frontier import NO_ESTIMATE, curve, evals_at
from gradpareto.bench.judge.stalled import stands
from gradpareto.bench.judge.table import BYTES_AT
from gradpareto.bench.reasons import reason_of
from gradpareto.bench.run.attempt import stored_bytes
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import Limited
from gradpareto.bench.run.loosest_setting import from_loose_to_tight
from gradpareto.bench.run.samples import Samples, certified, drawn
from gradpareto.bench.run.trace import BEST_ERROR
from gradpareto.bench.run.tried_setting import Tried, try_setting
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import default_folder
from gradpareto.systems import TASKS, Array, Problem

SAMPLES, JOBS = 4, 2
"""Few enough for every estimator to see all of them: its numbers would move if its share did."""
CALLS, MOST_CALLS = 2048, 4096
"""The evaluations beyond which no finer setting is tried, and that a sample may take at one."""
SECONDS = 120.0
"""An estimator that takes longer over a problem has no numbers."""
PROBLEMS = {
    "lqr (perturbed)": ("lqr", "perturbed", 1e-6),
    "quadrotor (initial)": ("quadrotor", "initial", 1e-6),
    "quadrotor_smooth (trained)": ("quadrotor_smooth", "trained", 1e-6),
    "stiff (initial)": ("stiff", "initial", 1e-6),
    "cartpole (initial) to 1e-3": ("cartpole", "initial", 1e-3),
    "electric (trained)": ("electric", "trained", 1e-6),
}
"""The problems that a commit is judged by, each with the error for which evaluations are counted:
smooth, of several time scales, learned, stiff, with kinks, and with a jump. With kinks nobody
reaches 1e-6 in CALLS."""
ROUNDING = 1e-13
"""Error floors are not followed below: there they are rounding, up or down by chance."""

Metrics = dict[str, float | str]
Tracked = dict[tuple[str, str], Metrics]


def measure_tracked(
    problems: Sequence[str] = tuple(PROBLEMS), estimators: Sequence[str] = tuple(ESTIMATORS)
) -> Tracked:
    """Try estimators on a few samples; {(problem, estimator): {metric: value}}.

    Settings go from loose to tight, and evaluations are interpolated between two of them.
    evals, for the problem's error, in whole numbers; error_floor; stored_bytes of a sample at an
    error of 1e-4; setting: the knob's at an error of 1e-4, else the tightest; reason: why evals is
    NaN, else "". The paper's estimators are followed down to where their errors stop falling. It
    takes some minutes.
    """
    for problem in problems:
        with suppress(Exception):  # each of its estimators tells why
            _certified(problem)
    with Processes(JOBS) as pool:
        sent = {
            (problem, name): pool.submit(Limited(_measured, SECONDS), problem, name)
            for problem in problems
            for name in estimators
        }
        return {key: _outcome(future) for key, future in sent.items()}


@cache
def _certified(problem: str) -> Samples:
    system, theta, _ = PROBLEMS[problem]
    return certified(system, theta, SAMPLES, 0, default_folder())


def _measured(problem: str, name: str) -> Metrics:
    estimator, error = ESTIMATORS[name], PROBLEMS[problem][2]
    best = BEST_ERROR if name in ALWAYS else error
    return metrics(estimator, _certified(problem), error, best)


def _outcome(future: "Future[Metrics]") -> Metrics:
    """Return the numbers of an estimator on a problem: whatever goes wrong is lost there alone."""
    try:
        return future.result()
    except Exception as error:
        lost = float("nan")
        numbers = dict.fromkeys(("evals", "error_floor", "stored_bytes", "setting"), lost)
        return {**numbers, "reason": reason_of(error)}


def metrics(estimator: Estimator, samples: Samples, error: float, best_error: float) -> Metrics:
    """Return the numbers of one estimator on samples, tried until it reaches `best_error`."""
    tried = list(_tried(estimator, samples, best_error))
    columns = np.array([(one.setting, one.evals, one.rel_error) for one in tried])
    needed = float(evals_at(curve(*columns.T), np.array(error)))
    smallest = min(one.rel_error for one in tried)
    enough = [one for one in tried if one.rel_error <= BYTES_AT]
    at = min(enough, key=lambda one: one.evals).setting if enough else None
    one = samples.batch(1)
    return {
        "evals": _whole(needed),
        "error_floor": _finite(max(smallest, ROUNDING)),
        "stored_bytes": float("nan") if at is None else stored_bytes(estimator, *one, at),
        "setting": tried[-1].setting if at is None else at,
        "reason": "" if np.isfinite(needed) else _why_not(tried, smallest),
    }


def _tried(estimator: Estimator, samples: Samples, best_error: float) -> Iterator[Tried]:
    """Try settings from loose to tight, until one reaches the error, or no other can."""
    errors: list[float] = []
    for setting in from_loose_to_tight(estimator, samples.problem, 1):
        one = try_setting(estimator, samples, setting, MOST_CALLS)
        yield one
        errors += [one.rel_error] * (one.rel_error <= NO_ESTIMATE)
        if one.rel_error <= best_error or one.evals > CALLS or stands(errors):
            return


def _whole(value: float) -> float:
    return float(round(value)) if np.isfinite(value) else float("nan")


def _finite(value: float) -> float:
    """Return NaN for infinity: asv shows NaN as n/a, and hangs over infinity."""
    return value if np.isfinite(value) else float("nan")


def _why_not(tried: Sequence[Tried], smallest: float) -> str:
    if np.isinf(smallest):
        return f"every setting failed, the first with: {tried[0].reason or 'no estimate'}"
    return f"its smallest error within {MOST_CALLS:,} evaluations is {smallest:.1e}"


def drawn_samples(problem: str) -> tuple[Problem, Array]:
    """Return one of PROBLEMS and the initial states of its samples."""
    system, theta, _ = PROBLEMS[problem]
    samples = drawn(TASKS[system].problem(theta), SAMPLES, 0)
    return samples.problem, samples.x0
