"""A run whose estimators are run again: its samples, and the settings that its records name."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.judge.cheapest_settings import cheapest_settings
from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.mean_ratio import ProblemKey
from gradpareto.bench.judge.table import TARGETS
from gradpareto.bench.run.gradient_time import Stopwatch
from gradpareto.bench.run.plan import Plan, demand_x0_of
from gradpareto.bench.run.samples import Samples
from gradpareto.bench.run.times_table import ProblemTimes
from gradpareto.bench.store.gradient_times import SLOWER, GradientTime
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Array

MEASURED = ("gradient_ms", "gradient_ms_low", "gradient_ms_high", "calls_ms", "model_ms", "reason")
"""The columns of a row that timing a setting in a batch fills in."""


@dataclass(frozen=True)
class Asked:
    """The part of a run that is run again: every system, preset and estimator if none is named."""

    systems: Sequence[str] = ()
    thetas: Sequence[str] = ()
    estimators: Sequence[str] = ()
    errors: Sequence[float] = TARGETS
    batches: Sequence[int] = (1, 32)
    x0: Array | None = None


@dataclass(frozen=True, eq=False)
class Rerun:
    """The settings of a run that are run again, its plan, and the samples that its records judge.

    `left_out` has a sentence for each reason why estimators or problems are left out.
    """

    settings: pd.DataFrame
    plan: Plan
    judged: Mapping[ProblemKey, Sequence[int]]
    left_out: tuple[str, ...]

    def problems(
        self, batches: Sequence[int], before: Sequence[GradientTime], watch: Stopwatch
    ) -> list[ProblemTimes]:
        """Return the problems, with what was measured `before` of their settings."""
        held = {_cell(row): row for row in before if _is_measured(row)}
        found = []
        for (system, theta), settings in self.settings.groupby(["system", "theta"], sort=True):
            key = str(system), str(theta)
            rows = [
                _measured_before(_unmeasured(one, batch), held)
                for one in settings.to_dict("records")
                for batch in batches
            ]
            by_key = {(row.error, row.batch, row.estimator): row for row in rows}
            found.append(ProblemTimes(key, self._samples(key), watch, by_key))
        return found

    def _samples(self, key: ProblemKey) -> Samples:
        problem, x0 = self.plan.sampled(*key)
        judged = np.array(self.judged[key])
        return Samples(problem.take(judged), x0[judged], x0[:0])


def _unmeasured(setting: Mapping[Hashable, Any], batch: int) -> GradientTime:
    return GradientTime(**{str(k): v for k, v in setting.items()}, batch=batch, reason=SLOWER)


def _is_measured(row: GradientTime) -> bool:
    return row.reason != SLOWER or np.isfinite(row.calls_ms)


def _cell(row: GradientTime) -> tuple[str, str, str, float, int]:
    return row.system, row.theta, row.estimator, row.setting, row.batch


def _measured_before(
    row: GradientTime, held: Mapping[tuple[str, str, str, float, int], GradientTime]
) -> GradientTime:
    """Return a row with what was measured of its setting and batch, if that was."""
    before = held.get(_cell(row))
    return replace(row, **{name: getattr(before, name) for name in MEASURED}) if before else row


def read_timed(folder: RunFolder, asked: Asked) -> Rerun:
    """Read what is to be timed of a run.

    Raises UnusableFolder, and ValueError if nothing remains or the samples are not the run's.
    """
    found = read_chosen(folder, asked, partial(cheapest_settings, errors=asked.errors))
    if found.settings.empty:
        told = "; ".join(found.left_out) or "no estimator that is asked for reaches such an error"
        raise ValueError(f"{folder.path} has nothing to time: {told}")
    return found


def read_chosen(
    folder: RunFolder, asked: Asked, choose: Callable[[pd.DataFrame], pd.DataFrame]
) -> Rerun:
    """Read the settings of a run that are chosen from the records of what can be run again.

    Raises UnusableFolder, and ValueError if the samples are not the run's.
    """
    records = comparable(folder.read_cells())
    for name, chosen in (
        ("system", asked.systems), ("theta", asked.thetas), ("estimator", asked.estimators)
    ):  # fmt: skip
        records = records[records[name].isin(list(chosen))] if chosen else records
    reasons = {name: _why_not(name) for name in records.estimator.unique()}
    problems = {key: _why_not_on(*key) for key in _problems(records)}
    left_out = _told(reasons | {f"{s} ({t})": why for (s, t), why in problems.items()})
    able = [not reasons[n] and not problems[s, t] for s, t, n in _keys(records)]
    known = records[able]
    judged = {
        (str(s), str(t)): sorted(own["sample"].unique().tolist())
        for (s, t), own in known.groupby(["system", "theta"])
    }
    return Rerun(choose(known), _plan(folder, asked.x0, list(judged)), judged, left_out)


def _keys(records: pd.DataFrame) -> "zip[tuple[str, str, str]]":
    return zip(records.system, records.theta, records.estimator, strict=True)


def _problems(records: pd.DataFrame) -> set[ProblemKey]:
    return set(zip(records.system, records.theta, strict=True))


def _why_not(estimator: str) -> str:
    """Say why an estimator is left out; "" if it is not."""
    if estimator not in ESTIMATORS:
        return "not registered"
    return "stochastic" if ESTIMATORS[estimator].declares.knob == "rollouts" else ""


def _why_not_on(system: str, theta: str) -> str:
    there = system in TASKS and theta in TASKS[system].presets
    return "" if there else "not registered"


def _told(reasons: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each reason, with all that it holds for."""
    names: dict[str, list[str]] = {}
    for name, why in reasons.items():
        names.setdefault(why, []).append(name)
    return tuple(
        f"left out, since they are {why}: {', '.join(sorted(own))}"
        for why, own in names.items()
        if why
    )


def _plan(folder: RunFolder, x0: Array | None, problems: Sequence[ProblemKey]) -> Plan:
    shared = folder.provenance()["shared"]
    plan = Plan(problems, samples=shared["samples"], seed=shared["seed"], x0=x0)
    demand_x0_of(plan, shared, folder.path)
    return plan
