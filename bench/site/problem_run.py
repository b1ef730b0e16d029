"""The records of a run by problem, and what each estimator needs there, computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.paired import LADDER, evals_needed, reference_floors
from gradpareto.bench.judge.table import TARGETS, median_of_most
from gradpareto.bench.site.costs import (
    COSTS,
    COSTS_WITH_TIMES,
    EVALUATIONS,
    Clocked,
    Priced,
    Recorded,
    with_stored_bytes,
)
from gradpareto.bench.store.gradient_times import SLOWER, read_times
from gradpareto.bench.store.record import SUCCESSES
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.systems import Array
from gradpareto.systems.kinds import kind_of

Needed = Mapping[str, Array]
"""The cost of each of TARGETS (T,) by estimator: inf if it is never reached, NaN if not known."""


@dataclass(frozen=True, eq=False)
class ProblemRun:
    """The records of one problem of a run, its quadrature limit and its certificates.

    `costs` are those that the run's pages compare, and `times` the problem's rows of its table of
    times.
    """

    system: str
    theta: str
    kind: str
    records: pd.DataFrame
    limit: pd.DataFrame | None
    certificate: pd.DataFrame
    costs: tuple[Priced, ...]
    times: pd.DataFrame

    @property
    def key(self) -> tuple[str, str]:
        return self.system, self.theta

    @property
    def title(self) -> str:
        return f"{self.system} ({self.theta})"

    @cached_property
    def of(self) -> dict[str, pd.DataFrame]:
        """The records of each estimator that can be judged; the samples may be fewer."""
        groups = comparable(self.records).groupby("estimator", sort=True)
        return {str(name): rows for name, rows in groups}

    @cached_property
    def samples(self) -> list[int]:
        """The samples that can be judged."""
        return sorted({int(k) for rows in self.of.values() for k in rows["sample"].unique()})

    @cached_property
    def failed(self) -> pd.DataFrame:
        """The records that are failures."""
        return self.records[~self.records.status.isin(SUCCESSES)]

    def failures_of(self, estimator: str) -> pd.DataFrame:
        """Return the records of an estimator that are failures."""
        return self.failed[self.failed.estimator == estimator]

    @cached_property
    def _floors(self) -> Array:
        return reference_floors(comparable(self.records), self.samples)

    def is_measured(self, cost: Priced, targets: Sequence[float] = TARGETS) -> bool:
        """Tell whether records that have an error have this cost; True if none has an error.

        A time is measured if the table of times has its batch, at one of the targets if any
        estimator reaches it.
        """
        if isinstance(cost, Clocked):
            there = self.times[self.times.batch == cost.batch]
            missing = [t for t in targets if self._is_reached(t) and t not in set(there.error)]
            return len(there) > 0 and len(missing) < len(targets)
        assert isinstance(cost, Recorded)
        found = [rows[rows.status == "ok"] for rows in self.of.values()]
        return all(rows.empty for rows in found) or any((r[cost.column] > 0).any() for r in found)

    @cached_property
    def ladder_evals(self) -> dict[str, Array]:
        """The evaluations (S, L) of each estimator on LADDER, by its samples as in `samples`."""
        return {name: self._needed(rows, LADDER) for name, rows in self.of.items()}

    @cached_property
    def needed(self) -> dict[str, Needed]:
        """The costs that each estimator needs in the median sample, by their names."""
        evals = {name: self._median(rows) for name, rows in self.of.items()}
        recorded = [cost for cost in self.costs[1:] if isinstance(cost, Recorded)]
        clocked = [cost for cost in self.costs if isinstance(cost, Clocked)]
        return {
            EVALUATIONS.name: evals,
            **{cost.name: self._recorded(cost, evals) for cost in recorded},
            **{cost.name: self._clocked(cost, evals) for cost in clocked},
        }

    def _is_reached(self, target: float) -> bool:
        place = TARGETS.index(target)
        return any(np.isfinite(own[place]) for own in self.needed[EVALUATIONS.name].values())

    def beaten(self, cost: Priced, place: int) -> set[str]:
        """Return the estimators that were not timed at one of TARGETS, since they are slower."""
        if not isinstance(cost, Clocked):
            return set()
        rows = self._times_at(cost, TARGETS[place])
        return set(rows[rows.reason == SLOWER].estimator)

    def _times_at(self, cost: Clocked, target: float) -> pd.DataFrame:
        return self.times[(self.times.batch == cost.batch) & (self.times.error == target)]

    def _clocked(self, cost: Clocked, evals: Needed) -> Needed:
        """Return the milliseconds; they are not known at targets at which nobody was timed.

        Below the reference's floor nobody is known to reach a target, whatever was timed there.
        """
        columns = []
        for target in TARGETS:
            rows = self._times_at(cost, target).set_index("estimator").gradient_ms
            missing = np.nan if rows.empty else np.inf
            columns.append(rows.reindex(list(self.of)).fillna(missing).to_numpy(dtype=float))
        timed = dict(zip(self.of, np.column_stack(columns), strict=True))
        return {
            name: np.where(np.isfinite(evals[name]), timed[name], evals[name]) for name in timed
        }

    def _recorded(self, cost: Recorded, evals: Needed) -> Needed:
        """Return what is needed of a cost; it is never reached where the evaluations never are."""
        found = {}
        for name, rows in self.of.items():
            own: float | Array = np.nan
            if (rows[cost.column] > 0).any():
                own = self._median(rows.assign(evals=rows[cost.column]))
            found[name] = np.where(np.isinf(evals[name]), np.inf, own)
        return found

    def _median(self, rows: pd.DataFrame) -> Array:
        own = np.isin(self.samples, rows["sample"].unique())
        return median_of_most(self._needed(rows, np.array(TARGETS))[own])

    def _needed(self, rows: pd.DataFrame, targets: Array) -> Array:
        return evals_needed(rows, self.samples, self._floors, targets)


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder as the pages show it."""

    name: str
    provenance: dict[str, Any]
    problems: tuple[ProblemRun, ...]
    costs: tuple[Priced, ...]

    @cached_property
    def estimators(self) -> list[str]:
        """The names of all estimators that were measured."""
        return sorted({str(n) for part in self.problems for n in part.records.estimator.unique()})

    @property
    def shared(self) -> dict[str, Any]:
        """The values that all cells of the run share."""
        return dict(self.provenance["shared"])


def read_run(folder: RunFolder) -> Run:
    """Read a run folder.

    Raises UnusableFolder if there is no run, if it is damaged, or if it has no records.
    """
    folder.require()
    provenance = folder.provenance()
    records = with_stored_bytes(folder.read_cells())
    if records.empty:
        raise UnusableFolder(f"{folder.path} has no records: measure some with gradpareto sweep")
    times = read_times(folder.path)
    costs = COSTS if times.empty else COSTS_WITH_TIMES
    problems = tuple(
        ProblemRun(
            str(system),
            str(theta),
            kind_of(str(system)),
            rows,
            _limit(folder, str(system), str(theta)),
            folder.read_certificate(str(system), str(theta)),
            costs,
            times[(times.system == system) & (times.theta == theta)],
        )
        for (system, theta), rows in records.groupby(["system", "theta"], sort=True)
    )
    return Run(folder.path.resolve().name, provenance, problems, costs)


def _limit(folder: RunFolder, system: str, theta: str) -> pd.DataFrame | None:
    """Return the quadrature limit of a problem, or None where the run has none."""
    path = folder.limit_path(system, theta)
    return folder.read_limit(system, theta) if path.is_file() else None
