"""The numbers that a maintainer follows over commits, all better when lower."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import cache

import numpy as np

from gradpareto.bench.judge.frontier import curve, evals_at
from gradpareto.bench.run.attempt import stored_bytes
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import Died, Limited, TimedOut
from gradpareto.bench.run.engines.worker import TaskFault
from gradpareto.bench.run.samples import Samples, certified, drawn, seen_by
from gradpareto.bench.run.trace import BEST_ERROR, UNTIL_AN_ESTIMATE, Point, Tracer
from gradpareto.bench.run.tried_setting import Tried, try_setting
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import default_folder
from gradpareto.systems import TASKS, Array, Problem

SAMPLES, CALLS, JOBS = 4, 2048, 2
SECONDS = 120.0
"""An estimator that takes longer over a problem has no numbers."""
PROBLEMS = {
    f"{system} ({theta})": (system, theta)
    for system, theta in (
        ("lqr", "perturbed"),
        ("quadrotor", "initial"),
        ("quadrotor_smooth", "trained"),
        ("stiff", "initial"),
        ("cartpole", "initial"),
        ("electric", "trained"),
    )
}
"""The problems that a commit is judged by: smooth, of several time scales, learned, stiff, with
kinks, and with a jump."""
NAMED = ("bptt", "ctpg", "neural_ode")
"""The estimators of the paper: their errors are followed down to where they stop falling."""
ERROR, BYTES_AT = 1e-6, 1e-4
"""The errors for which evaluations and stored bytes are counted."""
ROUNDING = 1e-13
"""Error floors are not followed below: there they are rounding, up or down by chance."""

Metrics = dict[str, float | str]
Tracked = dict[tuple[str, str], Metrics]


def measure_tracked(
    problems: Sequence[str] = tuple(PROBLEMS), estimators: Sequence[str] = tuple(ESTIMATORS)
) -> Tracked:
    """Trace the frontiers of estimators on a few samples; {(problem, estimator): {metric: value}}.

    evals_for_1e_6, in whole numbers; error_floor; stored_bytes of a sample at an error of 1e-4;
    setting: the knob's at an error of 1e-4, else the tightest; reason: why evals_for_1e_6 is NaN,
    else "". It takes some minutes.
    """
    with Processes(JOBS) as pool:
        sent = {
            (problem, name): _send(pool, name, _certified(problem))
            for problem in problems
            for name in estimators
        }
        return {key: _outcome(future) for key, future in sent.items()}


@cache
def _certified(problem: str) -> Samples:
    return certified(*PROBLEMS[problem], SAMPLES, 0, default_folder())


def _send(pool: Executor, name: str, samples: Samples) -> "Future[Metrics]":
    estimator, error = ESTIMATORS[name], BEST_ERROR if name in NAMED else ERROR
    return pool.submit(Limited(metrics, SECONDS), estimator, seen_by(estimator, samples), error)


def _outcome(future: "Future[Metrics]") -> Metrics:
    try:
        return future.result()
    except (Died, TimedOut, TaskFault) as error:
        lost = float("nan")
        numbers = dict.fromkeys(("evals_for_1e_6", "error_floor", "stored_bytes", "setting"), lost)
        return {**numbers, "reason": str(error)}


def metrics(estimator: Estimator, samples: Samples, error: float) -> Metrics:
    """Return the numbers of one estimator on the samples of a problem, traced to an error."""
    tried = list(_traced(estimator, samples, error))
    columns = np.array([(one.setting, one.evals, one.rel_error) for one in tried]).reshape(-1, 3)
    needed = float(evals_at(curve(*columns.T), np.array(ERROR)))
    smallest = min((one.rel_error for one in tried), default=np.inf)
    enough = [one for one in tried if one.rel_error <= BYTES_AT]
    at = min(enough, key=lambda one: one.evals).setting if enough else None
    one = samples.batch(1)
    return {
        "evals_for_1e_6": _whole(needed),
        "error_floor": _finite(max(smallest, ROUNDING)),
        "stored_bytes": float("nan") if at is None else stored_bytes(estimator, *one, at),
        "setting": (tried[-1].setting if tried else float("nan")) if at is None else at,
        "reason": "" if np.isfinite(needed) else _why_not(tried, smallest),
    }


def _traced(estimator: Estimator, samples: Samples, error: float) -> Iterator[Tried]:
    """Try the settings that a sweep would, until one reaches the error."""
    tracer, points = Tracer(estimator, samples.problem, CALLS, error), list[Point]()
    while (setting := tracer.next_setting(points)) is not None:
        one = try_setting(estimator, samples, setting, UNTIL_AN_ESTIMATE * tracer.most)
        points.append(Point(setting, one.evals, one.rel_error))
        yield one


def _whole(value: float) -> float:
    return float(round(value)) if np.isfinite(value) else float("nan")


def _finite(value: float) -> float:
    """Return NaN for infinity: asv shows NaN as n/a, and hangs over infinity."""
    return value if np.isfinite(value) else float("nan")


def _why_not(tried: Sequence[Tried], smallest: float) -> str:
    if not tried:
        return f"no setting is expected to take {CALLS:,} evaluations or fewer"
    if np.isinf(smallest):
        return f"every setting failed, the first with: {tried[0].reason or 'no estimate'}"
    return f"its smallest error within {CALLS:,} evaluations is {smallest:.1e}"


def drawn_samples(problem: str) -> tuple[Problem, Array]:
    """Return one of PROBLEMS and the initial states of its samples."""
    system, theta = PROBLEMS[problem]
    samples = drawn(TASKS[system].problem(theta), SAMPLES, 0)
    return samples.problem, samples.x0
