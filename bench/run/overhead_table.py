"""The table of what estimators add to the time of their oracle calls, on problems and batches."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.loosest_setting import loosest_setting
from gradpareto.bench.run.overhead import Overhead, measure_overhead
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import Samples, certified, drawn
from gradpareto.bench.run.spent_in import shares, shares_sentence
from gradpareto.bench.run.wall_model import WallModel, fit_wall_model
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import TASKS


@dataclass(frozen=True)
class Timed:
    """The estimators to time on problems, which are pairs of a system and a preset, in batches.

    A batch repeats the `samples` that the system draws from `seed`. All estimators have one
    `setting`, or else each has the loosest with which it reaches the `error`; the certified samples
    alone are then drawn on, and their references kept in the folder `cache`.
    """

    problems: Sequence[tuple[str, str]]
    estimators: Sequence[str]
    batches: Sequence[int]
    samples: int
    seed: int
    setting: float
    error: float | None
    cache: Path


@dataclass(frozen=True)
class Row:
    """A row of the table: the milliseconds of a gradient and the overhead factor, with quartiles.

    `model_ms` is what the wall model predicts for the oracle calls alone, and `spent_in` names the
    parts in which a gradient spends most of its time. Numbers are NaN where no setting reaches the
    error; `reason` says why there are none otherwise.
    """

    system: str
    theta: str
    estimator: str
    batch: int
    setting: float = np.nan
    rel_error: float = np.nan
    gradient_ms: float = np.nan
    gradient_ms_low: float = np.nan
    gradient_ms_high: float = np.nan
    oracles_ms: float = np.nan
    model_ms: float = np.nan
    factor: float = np.nan
    factor_low: float = np.nan
    factor_high: float = np.nan
    spent_in: str = ""
    reason: str = ""


def overhead_table(timed: Timed, report: Report) -> pd.DataFrame:
    """Time every estimator on every problem in every batch: a `Row` for each."""
    rows: list[Row] = []
    total = len(timed.problems) * len(timed.estimators)
    for problem in timed.problems:
        samples = _samples(timed, *problem)
        model = fit_wall_model(samples.problem, samples.x0)
        for name in timed.estimators:
            rows += _timed(timed, (*problem, name), samples, model)
            report("{} ({}), {}".format(*problem, name), len(rows) // len(timed.batches), total)
    return pd.DataFrame([asdict(row) for row in rows])


def _samples(timed: Timed, system: str, theta: str) -> Samples:
    given = timed.samples, timed.seed
    if timed.error is None:
        return drawn(TASKS[system].problem(theta), *given)
    return certified(system, theta, *given, timed.cache)


def _timed(
    timed: Timed, names: tuple[str, str, str], samples: Samples, model: WallModel
) -> list[Row]:
    """Return the rows of an estimator on a problem."""
    estimator, all_at_once = ESTIMATORS[names[2]], len(samples.x0)
    decides = estimator.declares.batch_decides
    lanes = {batch: batch if decides else all_at_once for batch in timed.batches}
    settings = {own: _setting(timed, estimator, samples, own) for own in set(lanes.values())}
    rows = []
    for batch in timed.batches:
        reached = settings[lanes[batch]]
        if reached.reason:
            rows.append(Row(*names, batch, reached.setting, reason=reached.reason))
            continue
        batches = (samples.batch(batch, round_) for round_ in count())
        found = measure_overhead(batches, estimator, reached.setting)
        gradient = partial(estimator, *samples.batch(batch), reached.setting)
        spent_in = shares_sentence(shares(gradient))
        rows.append(_row(names, batch, reached, found, model, spent_in))
    return rows


@dataclass(frozen=True)
class _Usable:
    """A setting to time, with its median relative error; or the reason why there is none."""

    setting: float = np.nan
    rel_error: float = np.nan
    reason: str = ""


def _setting(timed: Timed, estimator: Estimator, samples: Samples, lanes: int) -> _Usable:
    """Return the setting that is asked for, or that reaches the error in batches of `lanes`."""
    found = _Usable(timed.setting)
    if timed.error is not None:
        reached = loosest_setting(estimator, samples, timed.error, lanes)
        if reached is None:
            return _Usable(reason=f"no setting reaches {timed.error:g}")
        found = _Usable(reached.setting, reached.rel_error)
    outcome = attempt(estimator, *samples.batch(lanes), found.setting)
    return found if outcome.status == "ok" else _Usable(found.setting, reason=outcome.reason)


def _row(
    names: tuple[str, str, str],
    batch: int,
    reached: _Usable,
    found: Overhead,
    model: WallModel,
    spent_in: str,
) -> Row:
    spent, factor = found.gradient_s, found.factor
    return Row(
        *names,
        batch,
        reached.setting,
        reached.rel_error,
        gradient_ms=1e3 * spent.median,
        gradient_ms_low=1e3 * spent.low,
        gradient_ms_high=1e3 * spent.high,
        oracles_ms=1e3 * found.oracles_s.median,
        model_ms=1e3 * model.seconds(found.batches),
        factor=factor.median,
        factor_low=factor.low,
        factor_high=factor.high,
        spent_in=spent_in,
    )
