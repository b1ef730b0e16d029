"""The times of a run's estimators: who is fastest for an error, on each problem and in each batch.

A row has the setting of the run that reaches the error with the fewest evaluations. Who is timed is
the outcome of a contest (bench/run/contest.py) on each problem, for each error and batch, and then
of one on the problems of each kind, so that the two fastest over a kind are timed on all of them.
In a contest the lower bound of an estimator's time is that of its oracle calls alone. Until they
are counted, it is the longer of two: the time of the cheapest rows of the wall model that make up
its evaluations, and the time of its calls at a looser setting or in a smaller batch. At MODEL_ERROR
all calls are counted whose bound is at most MOST_COUNTED, so that the whole field judges the model.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product

import numpy as np

from gradpareto.bench.judge.mean_ratio import ProblemKey
from gradpareto.bench.run.contest import Field, Known, settle, settle_kind
from gradpareto.bench.run.gradient_time import Stopwatch
from gradpareto.bench.run.overhead import Spread
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import Samples
from gradpareto.bench.run.wall_model import WallModel
from gradpareto.bench.store.gradient_times import SLOWER, GradientTime
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems.kinds import kind_of

MODEL_ERROR = 1e-4
"""The error at which the calls of every estimator are counted."""
MOST_COUNTED = 1.0
"""The most seconds that the rows of such calls may be predicted to take."""
SHORTEST = 1e-9
"""Seconds below which no lower bound lies, so that all have logarithms."""

Keep = Callable[[Sequence[GradientTime]], None]


@dataclass
class ProblemTimes:
    """The rows of a problem by error, batch and estimator, which a process measures on samples.

    `rows` at first has what was measured before, and a row without numbers for all else.
    """

    key: ProblemKey
    samples: Samples
    watch: Stopwatch
    rows: dict[tuple[float, int, str], GradientTime]
    settled: set[tuple[float, int]] = field(default_factory=set)

    @cached_property
    def model(self) -> WallModel:
        """The wall model of the problem."""
        return self.watch.model(self.key[0], self.samples)

    def known(self, error: float, batch: int) -> dict[str, Known]:
        """Return what is known of each estimator that reaches an error."""
        return {
            name: self._known(row)
            for (own_error, own_batch, name), row in self.rows.items()
            if (own_error, own_batch) == (error, batch)
        }

    def measure(self, error: float, batch: int, name: str) -> Known:
        """Count the calls of an estimator, or time its gradient once they are counted.

        The result counts for all errors for which the setting is the same.
        """
        before = self.rows[error, batch, name]
        counted = np.isnan(before.calls_ms)
        found = self._counted(before) if counted else self._timed(before)
        for key, row in self.rows.items():
            if key[1:] == (batch, name) and row.setting == before.setting:
                self.rows[key] = replace(found, error=row.error, evals=row.evals)
        return self._known(found)

    def finished(self) -> Iterator[GradientTime]:
        """Give the rows of the contests that are settled."""
        for (error, batch, _), row in self.rows.items():
            if (error, batch) in self.settled:
                yield row

    def _bound(self, row: GradientTime) -> float:
        """Return the seconds that the calls of a row take at least."""
        rows = self.model.least_seconds(self.samples.problem, row.evals * row.batch)
        batches = {row.batch} if _batch_decides(row) else {b for _, b, _ in self.rows}
        easier = [
            one.calls_ms / 1e3
            for one in self._of(row.estimator)
            if one.evals <= row.evals and one.batch in batches and one.batch <= row.batch
        ]
        return float(np.nanmax([rows, SHORTEST, *easier]))

    def _of(self, estimator: str) -> list[GradientTime]:
        return [row for (_, _, name), row in self.rows.items() if name == estimator]

    def _known(self, row: GradientTime) -> Known:
        if np.isfinite(row.gradient_ms):
            return Known(row.gradient_ms / 1e3, True)
        if row.reason != SLOWER:
            return Known(np.inf, True)
        counted = np.isfinite(row.calls_ms)
        return Known(row.calls_ms / 1e3 if counted else self._bound(row), False)

    def _counted(self, row: GradientTime) -> GradientTime:
        estimator = ESTIMATORS[row.estimator]
        found = self.watch.count(self.key[0], estimator, self.samples, row.setting, row.batch)
        if found.reason:
            return replace(row, reason=found.reason)
        model_ms = _ms(self.model.seconds(found.batches))
        return replace(row, calls_ms=_ms(found.seconds), model_ms=model_ms)

    def _timed(self, row: GradientTime) -> GradientTime:
        estimator = ESTIMATORS[row.estimator]
        found = self.watch.time(self.key[0], estimator, self.samples, row.setting, row.batch)
        return with_time(row, found.spread) if found.spread else replace(row, reason=found.reason)


def with_time(row: GradientTime, spent: Spread) -> GradientTime:
    """Return a row with the quartiles of its gradient's seconds."""
    return replace(
        row,
        gradient_ms=_ms(spent.median),
        gradient_ms_low=_ms(spent.low),
        gradient_ms_high=_ms(spent.high),
        reason="",
    )


def _batch_decides(row: GradientTime) -> bool:
    return ESTIMATORS[row.estimator].declares.batch_decides


def _ms(seconds: float) -> float:
    """Return milliseconds, of which six digits are known at best."""
    return float(f"{1e3 * seconds:.6g}")


def time_run(
    problems: Sequence[ProblemTimes],
    errors: Sequence[float],
    batches: Sequence[int],
    keep: Keep,
    report: Report,
) -> None:
    """Settle all contests, and have the rows kept after each.

    The contests on the problems come first, and then those on their kinds; large errors and small
    batches come before others, for which they give bounds.
    """
    asked = [(e, b) for b in sorted(set(batches)) for e in sorted(set(errors), reverse=True)]
    kinds: dict[str, list[ProblemTimes]] = {}
    for problem in problems:
        kinds.setdefault(kind_of(problem.key[0]), []).append(problem)
    contests = [
        *(("{} ({})".format(*one.key), partial(_settle_one, one)) for one in problems),
        *(
            (f"{kind} systems", partial(_settle_several, several))
            for kind, several in kinds.items()
        ),
    ]
    for number, ((name, settle_it), (error, batch)) in enumerate(product(contests, asked), 1):
        settle_it(error, batch)
        keep([row for one in problems for row in one.finished()])
        told = f"{name}, error {error:g}, batch {batch}"
        report(told, number, len(contests) * len(asked))


def _settle_one(problem: ProblemTimes, error: float, batch: int) -> None:
    """Settle the contest on a problem; at MODEL_ERROR, count the calls of the others as well."""
    if error == MODEL_ERROR:
        for name, known in problem.known(error, batch).items():
            row = problem.rows[error, batch, name]
            counted = known.is_time or np.isfinite(row.calls_ms)
            if not counted and known.seconds <= MOST_COUNTED:
                problem.measure(error, batch, name)
    settle(*_contest([problem], error, batch), least={problem.key: 1.0})
    problem.settled.add((error, batch))


def _settle_several(problems: Sequence[ProblemTimes], error: float, batch: int) -> None:
    settle_kind(*_contest(problems, error, batch))


def _contest(
    problems: Sequence[ProblemTimes], error: float, batch: int
) -> tuple[Field, Callable[[str, ProblemKey], Known]]:
    """Return what is known of all estimators on some problems, and what measures them further."""
    by_key = {problem.key: problem for problem in problems}
    found: dict[str, dict[ProblemKey, Known]] = {}
    for problem in problems:
        for name, known in problem.known(error, batch).items():
            found.setdefault(name, {})[problem.key] = known
    return found, lambda name, key: by_key[key].measure(error, batch, name)
