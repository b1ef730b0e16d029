"""The growth of an estimator's time with the batch, the steps, the parameters and the dimension."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.overhead import Spread
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import drawn
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import TASKS, Policy, Problem
from gradpareto.systems.heat import Heat

SYSTEM, THETA = "quadrotor", "initial"
"""The problem of which the batch, the steps and the parameters grow."""
TOLERANCE, STEPS = 1e-4, 16
"""The setting along every axis but the steps' own."""
SAMPLES = 16
ROUNDS, SECONDS = 3, 0.3
"""Gradients are timed for at least this number of rounds and this time."""
MOST_SECONDS = 20.0
"""An axis ends behind a gradient that took longer."""
SIZES: Mapping[str, tuple[int, ...]] = {
    "batch": (1, 4, 16, 64, 256, 1024, 4096),
    "steps": (8, 16, 32, 64, 128, 256, 512),
    "parameters": (8, 16, 32, 64, 128, 256),
    "dimension": (8, 16, 32, 64, 128, 256),
}
"""Lanes, steps, units in each hidden layer, and points of the heat equation's grid, by axis."""
NOT_STIFF = 1e-4
"""A diffusivity with which steps do not shorten as the grid is refined."""


@dataclass(frozen=True)
class Growth:
    """The time of a gradient at a size along an axis: the quartiles, in seconds.

    `size` is the number of lanes, of accepted steps (the median over lanes), of parameters, or of
    states.
    """

    axis: str
    estimator: str
    size: float
    seconds_low: float
    seconds: float
    seconds_high: float


@dataclass(frozen=True)
class _Point:
    """A problem, the lanes of a batch, and the setting by kind of knob; `size` may be measured."""

    problem: Problem
    lanes: int = 1
    steps: int = STEPS
    tolerance: float = TOLERANCE
    size: float | None = None

    def setting(self, estimator: Estimator) -> float:
        knob = estimator.declares.knob
        return self.tolerance if knob == "tolerance" else self.problem.horizon / self.steps


def measure_growth(
    axes: Sequence[str], names: Sequence[str], sizes: Mapping[str, Sequence[int]], report: Report
) -> pd.DataFrame:
    """Time estimators along axes: a row of `Growth` for each size that is reached."""
    rows: list[Growth] = []
    for done, (axis, name) in enumerate([(axis, name) for axis in axes for name in names], 1):
        for size in sizes[axis]:
            found = _time(axis, name, POINTS[axis](size))
            if found is None:
                break
            rows.append(found)
            if found.seconds > MOST_SECONDS:
                break
        report(f"{axis}, {name}", done, len(axes) * len(names))
    return pd.DataFrame([asdict(row) for row in rows], columns=list(Growth.__annotations__))


def _by_batch(lanes: int) -> _Point:
    return _Point(TASKS[SYSTEM].problem(THETA), lanes=lanes, size=lanes)


def _by_steps(steps: int) -> _Point:
    # Eight steps go with a tolerance of 1, and each doubling with one that is 30 times tighter.
    tolerance = 10 ** (-1.5 * np.log2(steps / 8))
    return _Point(TASKS[SYSTEM].problem(THETA), steps=steps, tolerance=tolerance)


def _by_parameters(units: int) -> _Point:
    task = TASKS[SYSTEM]
    first, *_, last = task.policy.sizes
    policy = Policy((first, units, units, last), task.policy.activations)
    return _Point(replace(task, policy=policy).problem(THETA), size=policy.size)


def _by_dimension(points: int) -> _Point:
    rod = Heat(points, diffusivity=NOT_STIFF)
    return _Point(replace(TASKS["heat"], system=rod).problem(THETA), size=points)


POINTS: Mapping[str, Callable[[int], _Point]] = {
    "batch": _by_batch,
    "steps": _by_steps,
    "parameters": _by_parameters,
    "dimension": _by_dimension,
}
"""The functions that make what is timed at a size, by axis."""


def _time(axis: str, name: str, point: _Point) -> Growth | None:
    """Time gradients of a batch, each of other samples; None if the estimator fails."""
    estimator, samples = ESTIMATORS[name], drawn(point.problem, SAMPLES, seed=0)
    setting = point.setting(estimator)
    times: list[float] = []
    steps: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < ROUNDS or time.perf_counter() < end:
        problem, x0 = samples.batch(point.lanes, len(times))
        outcome = attempt(estimator, problem, x0, setting)
        if outcome.status != "ok" or outcome.estimate is None:
            return None
        times.append(outcome.seconds)
        steps.append(float(np.median(outcome.estimate.steps)))
        if outcome.seconds > MOST_SECONDS:
            break
    size, spent = point.size or float(np.median(steps)), Spread.of(times)
    return Growth(axis, name, size, spent.low, spent.median, spent.high)


def exponents(growth: pd.DataFrame) -> pd.DataFrame:
    """Fit the power of the size with which the time grows, for each axis and estimator.

    `exponent` is the slope of log time over log size, with its 95 % interval by the residuals
    (NaN below three sizes). `at_the_end` is the slope between the last two sizes: at small sizes
    the time is that of the calls, whatever their size.
    """
    rows = []
    for (axis, name), own in growth.groupby(["axis", "estimator"], sort=False):
        if own["size"].nunique() < 2:
            continue
        x, y = np.log(own["size"].to_numpy(float)), np.log(own.seconds.to_numpy(float))
        fit = linregress(x, y)
        reach = t.ppf(0.975, len(x) - 2) * fit.stderr if len(x) > 2 else np.nan
        last = (y[-1] - y[-2]) / (x[-1] - x[-2])
        rows.append((axis, name, fit.slope, fit.slope - reach, fit.slope + reach, last))
    columns = ["axis", "estimator", "exponent", "low", "high", "at_the_end"]
    return pd.DataFrame(rows, columns=columns)
