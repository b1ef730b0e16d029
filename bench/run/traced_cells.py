"""The memory of cells that a sweep did not trace: they are run again, with memory traced."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from gradpareto.bench.run.attempt import attempt, memory_traced
from gradpareto.bench.run.engines.task import Died, TimedOut
from gradpareto.bench.run.engines.worker import TaskFault
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.rerun import Rerun
from gradpareto.bench.run.sending import schedule
from gradpareto.bench.run.unrepeatable import agreed
from gradpareto.bench.store.cells import CellStore, Key
from gradpareto.bench.store.record import COUNTS, Record
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import Array, Problem

OTHER_CODE = "its counts are not those of the run, which other code has measured"


@dataclass(frozen=True)
class Traced:
    """The bytes of a traced gradient over its samples, its counts, and why there is none, or ""."""

    stored_bytes: float
    peak_bytes: float
    counts: tuple[tuple[int, ...], ...]
    reason: str


def traced(estimator: Estimator, problem: Problem, x0: Array, setting: float) -> Traced:
    """Take a gradient with memory traced, after one that fills what is kept between gradients."""
    with np.errstate(all="ignore"):
        first = attempt(estimator, problem, x0, setting)
        with memory_traced():
            found = attempt(estimator, problem, x0, setting)
        found = agreed(first, found)
    counts = tuple(tuple(getattr(found.meter, name).tolist()) for name in COUNTS)
    stored = found.meter.stored_bytes or 0.0
    return Traced(stored, found.peak_bytes / len(x0), counts, found.reason)


def trace_cells(
    run: Rerun, store: CellStore, executor: Executor, seconds: float, report: Report
) -> dict[Key, str]:
    """Trace the cells of a run's settings, and keep what they store; {cell: why it has nothing}.

    A cell may take `seconds`, and is kept as soon as it is traced.
    """
    lacking: dict[Key, str] = {}
    done, total = count(1), len(run.settings)
    for key, records, future in _sent(run, store, executor, seconds):
        reason = _kept(store, key, records, future)
        lacking |= {key: reason} if reason else {}
        report("{} {} {} {:g}".format(*key), next(done), total)
    return lacking


def _sent(
    run: Rerun, store: CellStore, executor: Executor, seconds: float
) -> Iterator[tuple[Key, list[Record], "Future[Traced]"]]:
    """Send the cells, those of one problem at once, and give each with its records and outcome."""
    for (system, theta), settings in run.settings.groupby(["system", "theta"], sort=True):
        problem, x0 = run.plan.sampled(str(system), str(theta))
        sent = []
        for estimator, setting in zip(settings.estimator, settings.setting, strict=True):
            key = (str(system), str(theta), str(estimator), float(setting))
            records = store.records(key)
            lanes = np.array([one.sample for one in _measured(records)])
            given = ESTIMATORS[key[2]], problem.take(lanes), x0[lanes], key[3]
            sent.append((key, records, schedule(executor, [key[0]], traced, given, seconds)))
        yield from sent


def _measured(records: list[Record]) -> list[Record]:
    """Return the records of the samples that the estimator has seen."""
    return [one for one in records if one.status != "uncertified"]


def _kept(store: CellStore, key: Key, records: list[Record], future: "Future[Traced]") -> str:
    """Keep the bytes of a cell, or say why there are none."""
    try:
        found = future.result()
    except (Died, TimedOut, TaskFault) as error:
        return str(error)
    if found.reason:
        return found.reason
    counts = zip(*([getattr(r, name) for name in COUNTS] for r in _measured(records)), strict=True)
    if tuple(counts) != found.counts:
        return OTHER_CODE
    given = [
        replace(one, stored_bytes=found.stored_bytes, peak_bytes=found.peak_bytes)
        if one.status != "uncertified"
        else one
        for one in records
    ]
    store.rewrite(key, given)
    return ""
