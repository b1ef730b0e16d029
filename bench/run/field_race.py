"""A race of estimators to a relative error on one problem: who needs the fewest evaluations?"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from gradpareto.bench.judge.frontier import NO_ESTIMATE
from gradpareto.bench.judge.stalled import stands
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import Died, TimedOut
from gradpareto.bench.run.engines.worker import TaskFault
from gradpareto.bench.run.loosest_setting import from_loose_to_tight
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import Samples, seen_by
from gradpareto.bench.run.sending import schedule
from gradpareto.bench.run.tried_setting import Tried, try_setting
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import Problem

FIRST_LEVEL = 32
"""The evaluations of a sample up to which the first round goes; each later one doubles them."""
BEHIND = 3.0
"""An estimator is given up when it takes this many times the evaluations of one that is there."""
REFINEMENTS = 2
"""The settings that are tried between the last one that misses the error and the first that does
not."""
RUNG_SECONDS = 60.0
"""A worker that takes longer over a round's settings of an estimator ends that estimator's race."""


@dataclass(frozen=True)
class Racer:
    """An estimator in the race: what it has tried, in order, and where it reached the error."""

    name: str
    tried: tuple[Tried, ...] = ()
    reached: Tried | None = None
    out: bool = False
    """Whether it was given up, or has no finer setting."""

    @property
    def spent(self) -> float:
        """The evaluations at the latest setting."""
        return self.tried[-1].evals if self.tried else 0.0

    @property
    def closest(self) -> float:
        return min((one.rel_error for one in self.tried), default=np.inf)


def race(
    system: str,
    samples: Samples,
    error: float,
    most_evals: float,
    jobs: int,
    report: Report,
    racers: Sequence[Racer] = (),
) -> list[Racer]:
    """Race estimators, all that are registered by default, to a median relative error.

    `racers` of a race to a larger error go on from the settings that they tried in it.

    Each goes from loose to tight. The rounds are bounded by evaluations alone, and a round ends
    before anybody is given up, so that the result is the same for any number of jobs. A sample
    may take `most_evals` evaluations. Some estimators see fewer samples (`seen_by`).
    """
    there = {one.name: Racer(one.name, one.tried) for one in racers or map(Racer, ESTIMATORS)}
    level = float(FIRST_LEVEL)
    with Processes(jobs) as pool:
        while going := [one for one in there.values() if not one.reached and not one.out]:
            sent = {
                one.name: schedule(
                    pool,
                    [system],
                    advanced,
                    (
                        *(one, ESTIMATORS[one.name], seen_by(ESTIMATORS[one.name], samples)),
                        *(error, min(level, most_evals), most_evals),
                    ),
                    RUNG_SECONDS,
                )
                for one in going
            }
            for done, (name, future) in enumerate(sent.items(), 1):
                there[name] = _outcome(future, there[name])
                report(f"{system} {error:g}, {level:,.0f} evaluations: {name}", done, len(sent))
            there = _without_the_last(there)
            level *= 2
    return list(there.values())


def _outcome(future: "Future[Racer]", before: Racer) -> Racer:
    try:
        return future.result()
    except (Died, TimedOut, TaskFault):
        return replace(before, out=True)


def _without_the_last(racers: Mapping[str, Racer]) -> dict[str, Racer]:
    """Give those up who have taken BEHIND times what another needed."""
    best = min((one.reached.evals for one in racers.values() if one.reached), default=np.inf)
    return {
        name: replace(one, out=one.out or (not one.reached and one.spent > BEHIND * best))
        for name, one in racers.items()
    }


def advanced(
    racer: Racer,
    estimator: Estimator,
    samples: Samples,
    error: float,
    level: float,
    most_evals: float,
) -> Racer:
    """Try finer settings until one reaches the error, or takes more evaluations than `level`.

    An estimator is out of the race when its error has stopped falling.
    """
    tried, ladder = list(racer.tried), from_loose_to_tight(estimator, samples.problem, 1)
    settings = islice(ladder, len(tried), None)
    while True:
        if tried and tried[-1].rel_error <= error:
            reached = _refined(estimator, samples, error, tried, most_evals)
            return replace(racer, tried=tuple(tried), reached=reached)
        if tried and tried[-1].evals > level:
            return replace(racer, tried=tuple(tried), out=tried[-1].evals >= most_evals)
        no_better = stands([one.rel_error for one in tried if one.rel_error <= NO_ESTIMATE])
        setting = None if no_better else next(settings, None)
        if setting is None:
            return replace(racer, tried=tuple(tried), out=True)
        tried.append(try_setting(estimator, samples, setting, most_evals))


def _refined(
    estimator: Estimator, samples: Samples, error: float, tried: list[Tried], most_evals: float
) -> Tried:
    """Return the cheapest of some settings that reach the error, from the last tried one on."""
    best = tried[-1]
    if len(tried) < 2:
        return best
    loose, tight = tried[-2].setting, best.setting
    for _ in range(REFINEMENTS):
        middle = _between(estimator, samples.problem, loose, tight)
        if middle in (loose, tight):
            break
        found = try_setting(estimator, samples, middle, most_evals)
        if found.rel_error > error:
            loose = middle
            continue
        tight = middle
        if found.evals < best.evals:
            best = found
    return best


def _between(estimator: Estimator, problem: Problem, loose: float, tight: float) -> float:
    """Return the setting in the middle of two, by their logarithms, that has whole numbers."""
    middle = float(np.sqrt(loose * tight))
    if estimator.declares.knob == "tolerance":
        return middle
    if estimator.declares.knob == "rollouts":
        return 2.0 * round(middle / 2)
    return problem.horizon / round(problem.horizon / middle)
