"""The numbers that a maintainer follows over commits, all better when lower."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import comparable, median_points
from gradpareto.bench.judge.paired import evals_needed, reference_floors
from gradpareto.bench.judge.table import BYTES_AT, cheapest, smallest_error
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import Array, Problem

SAMPLES, CALLS = 4, 2048
CELL_SECONDS = 10.0
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
kinks, and with a jump. All estimators take some minutes on them."""
ERROR = 1e-6
ROUNDING = 1e-13
"""Error floors are not followed below: there they are rounding, up or down by chance."""

Tracked = dict[tuple[str, str], dict[str, float | str]]


def measure_tracked(
    problems: Sequence[str] = tuple(PROBLEMS), estimators: Sequence[str] = tuple(ESTIMATORS)
) -> Tracked:
    """Sweep estimators on a few samples; {(problem, estimator): {metric: value}}.

    evals_for_1e_6, in whole numbers; error_floor; stored_bytes at an error of 1e-4; setting: the
    knob's at an error of 1e-4, else the tightest; reason: why evals_for_1e_6 is NaN, else "".
    """
    plan = _plan(problems, estimators)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        records = comparable(sweep(plan, run, budget=Budget(cell_seconds=CELL_SECONDS)))
    found: Tracked = {}
    for name in problems:
        system, theta = PROBLEMS[name]
        here = records[(records.system == system) & (records.theta == theta)]
        samples = sorted(here["sample"].unique().tolist())
        floors = pd.Series(reference_floors(here, samples), samples)
        for estimator, own in here.groupby("estimator"):
            found[name, str(estimator)] = metrics(own, floors)
    return found


def metrics(records: pd.DataFrame, floors: pd.Series) -> dict[str, float | str]:
    """Return the numbers of one estimator on one problem, with the reference's `floors` (S,)."""
    samples = sorted(records["sample"].unique().tolist())
    reached = evals_needed(records, samples, floors[samples].to_numpy(), np.array([ERROR]))
    needed = float(np.median(reached))
    points = median_points(records)
    at, smallest = cheapest(points, BYTES_AT), smallest_error(points)
    return {
        "evals_for_1e_6": _whole(needed),
        "error_floor": float(max(smallest, ROUNDING)),
        "stored_bytes": float("nan") if at is None else _whole(float(at.stored_bytes)),
        "setting": float(records.setting.min() if at is None else at.name),  # type: ignore[arg-type]
        "reason": "" if np.isfinite(needed) else _why_not(records, smallest),
    }


def _whole(value: float) -> float:
    """Round a number; asv shows NaN as n/a, and hangs over infinity."""
    return float(round(value)) if np.isfinite(value) else float("nan")


def _why_not(records: pd.DataFrame, smallest: float) -> str:
    failed = records[records.status != "ok"]
    if len(failed) == len(records):
        return f"every setting failed, the first with: {failed.iloc[0].reason}"
    told = f"its smallest error within {CALLS:,} evaluations is {smallest:.1e}"
    return f"{told}; {len(failed)} records failed" if len(failed) else told


def drawn_samples(problem: str) -> tuple[Problem, Array]:
    """Return one of PROBLEMS and the initial states of its samples."""
    return _plan([problem], []).sampled(*PROBLEMS[problem])


def _plan(problems: Sequence[str], estimators: Sequence[str]) -> Plan:
    own = tuple(PROBLEMS[name] for name in problems)
    return Plan(own, tuple(estimators), samples=SAMPLES, timed=False, calls=CALLS)
