"""The cost of an accuracy as the grid of the heat equation is refined."""

from dataclasses import replace

import numpy as np
import pandas as pd

from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.loosest_setting import from_loose_to_tight
from gradpareto.bench.run.report import Report
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import default_folder, load_or_certify
from gradpareto.systems import TASKS
from gradpareto.systems.heat import Heat

RIVALS = ("bptt", "bptt-rk4", "bptt-dop853", "ctpg", "ctpg-dop853", "ctpg-scipy-radau")
MOST_CALLS = 2**18
"""Oracle calls that a sample of the most expensive setting may make."""


def measure_dimension(grids: list[int], error: float, samples: int, report: Report) -> pd.DataFrame:
    """Find the loosest setting with a median relative error of at most `error`.

    The table has one row for each grid and estimator that reaches it.
    """
    task, rows = TASKS["heat"], []
    for number, points in enumerate(grids):
        problem = replace(task, system=Heat(points)).problem("initial")
        problem, x0 = problem.sample(np.random.default_rng(0), samples)
        truth = load_or_certify(problem, x0, default_folder()).demanded()
        size = np.linalg.norm(truth, axis=1)
        for k, name in enumerate(RIVALS):
            report(
                f"{points} points, {name}", number * len(RIVALS) + k + 1, len(grids) * len(RIVALS)
            )
            for setting in from_loose_to_tight(ESTIMATORS[name], problem, 1):
                if ESTIMATORS[name].calls(problem, setting) > MOST_CALLS:
                    break
                outcome = attempt(ESTIMATORS[name], problem, x0, setting)
                if outcome.estimate is None:
                    continue
                away = np.linalg.norm(outcome.estimate.gradient - truth, axis=1)
                missed = np.median(away / size)
                if missed <= error:
                    evals = np.median(outcome.meter.evals)
                    spent = outcome.seconds / samples
                    rows.append((points, name, setting, missed, evals, spent))
                    break
    columns = ["points", "estimator", "setting", "rel_error", "evals", "wall_s"]
    return pd.DataFrame(rows, columns=columns)
