"""The numbers that a maintainer follows over commits, all better when lower."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import (
    Front,
    attained,
    attainment,
    comparable,
    median_curve,
    median_points,
)
from gradpareto.bench.judge.indicators import epsilon
from gradpareto.bench.judge.pairs import LOOSEST
from gradpareto.bench.judge.table import BYTES_AT, cheapest, smallest_error
from gradpareto.bench.run.plan import DEFAULT_ESTIMATORS, Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder

SAMPLES = 4
PROBLEMS = {"lqr": "perturbed", "differential_drive": "initial", "quadrotor": "initial"}
"""The three problems that a commit is judged by: they take minutes and not an hour."""
ROUNDING = 1e-13
"""Error floors are not followed below: there they are rounding, up or down by chance."""

Tracked = dict[tuple[str, str], dict[str, float]]


def measure_tracked() -> Tracked:
    """Sweep the default plan on a few samples; {(system, estimator): {metric: value}}.

    evals_to_1e_2, _1e_4, _1e_6; error_floor; stored_bytes and peak_bytes at an error of 1e-4;
    epsilon_vs_bptt; setting: the knob's at an error of 1e-4, else the tightest. NaN: not reached.
    """
    plan = Plan(tuple(PROBLEMS.items()), DEFAULT_ESTIMATORS, samples=SAMPLES, timed=False)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        records = comparable(sweep(plan, run))
    found: Tracked = {}
    for system in PROBLEMS:
        here = records[records.system == system]
        baseline = median_curve(here[here.estimator == "bptt"]).front
        kept = baseline.error <= LOOSEST
        baseline = Front(baseline.evals[kept], baseline.error[kept])
        for estimator in DEFAULT_ESTIMATORS:
            found[system, estimator] = metrics(here[here.estimator == estimator], baseline)
    return found


def metrics(records: pd.DataFrame, baseline: Front) -> dict[str, float]:
    """The numbers of one estimator on one problem; `baseline` is the median front of bptt."""
    samples = sorted(records["sample"].unique().tolist())
    reached = attained(attainment(records), samples, np.array([1e-2, 1e-4, 1e-6]))
    needed = np.median(reached, axis=0)
    needed = np.where(np.isfinite(needed), needed, np.nan)
    points = median_points(records)
    at = cheapest(points, BYTES_AT)
    return {
        "evals_to_1e_2": float(needed[0]),
        "evals_to_1e_4": float(needed[1]),
        "evals_to_1e_6": float(needed[2]),
        "error_floor": max(smallest_error(points), ROUNDING),
        "stored_bytes": np.nan if at is None else float(at.stored_bytes),
        "peak_bytes": np.nan if at is None else float(at.peak_bytes),
        "epsilon_vs_bptt": epsilon(median_curve(records), baseline),
        "setting": float(records.setting.min() if at is None else at.name),  # type: ignore[arg-type]
    }
