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

FIRST_LEVEL, NEXT_LEVEL = 32.0, 2**0.5
"""The evaluations of a sample up to which the first round goes, and how much further the next."""
MOST_GROWTH = 4.0
"""The most by which the next setting is expected to take more evaluations than the last one."""
BEHIND = 3.0
"""An estimator is given up when it takes this many times the evaluations of one that is there."""
PLACES = 12
"""It is also given up when this many others have arrived with fewer evaluations than it has taken:
it can have none of the first places. A race for fewer places ends earlier."""
REFINEMENTS = 2
"""The settings that are tried between the last one that misses the error and the first that does
not."""
SECONDS, PATIENCE = 5.0, 30.0
"""A worker that takes SECONDS and PATIENCE times what all calls of a round can take, one by one,
ends the race of its estimator: it hangs, or spends its time elsewhere."""


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
    def expected(self) -> float:
        """The evaluations that its next setting is likely to take."""
        if len(self.tried) < 2:
            return 2 * self.spent
        before = max(self.tried[-2].evals, 1.0)
        return self.spent * float(np.clip(self.spent / before, 1.0, MOST_GROWTH))

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
    call_seconds: float,
    racers: Sequence[Racer] = (),
    places: int = PLACES,
) -> list[Racer]:
    """Race estimators, all that are registered by default, to a median relative error.

    `racers` of a race to a larger error go on from the settings that they tried in it. A call of
    one row takes `call_seconds`, by which it is judged who hangs. Each goes from loose to tight.
    The rounds are bounded by evaluations, and a round ends before anybody is given up, so that the
    result is the same for any number of jobs. The racers with the fewest evaluations that arrive
    are found, for this many `places`. A sample may take `most_evals` evaluations. Some estimators
    see fewer samples (`seen_by`).
    """
    there = {one.name: Racer(one.name, one.tried) for one in racers or map(Racer, ESTIMATORS)}
    level, patience = FIRST_LEVEL, PATIENCE * call_seconds * len(samples.x0)
    with Processes(jobs) as pool:
        while going := [one for one in there.values() if not one.reached and not one.out]:
            bounds, seconds = (min(level, most_evals), most_evals), SECONDS + patience * level
            sent = {}
            for one in going:
                estimator = ESTIMATORS[one.name]
                given = one, estimator, seen_by(estimator, samples), error, *bounds
                sent[one.name] = schedule(pool, [system], advanced, given, seconds)
            for done, (name, future) in enumerate(sent.items(), 1):
                there[name] = _outcome(future, there[name])
                report(f"{system} {error:g}, {level:,.0f} evaluations: {name}", done, len(sent))
            there = without_the_last(there, places)
            level *= NEXT_LEVEL
    return list(there.values())


def _outcome(future: "Future[Racer]", before: Racer) -> Racer:
    try:
        return future.result()
    except (Died, TimedOut, TaskFault):
        return replace(before, out=True)


def without_the_last(racers: Mapping[str, Racer], places: int) -> dict[str, Racer]:
    """Give those up who have taken BEHIND times what another needed, or can have no place."""
    needed = sorted(one.reached.evals for one in racers.values() if one.reached)
    bound = min([BEHIND * one for one in needed[:1]] + needed[places - 1 : places], default=np.inf)
    return {
        name: replace(one, out=one.out or (not one.reached and one.spent > bound))
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
    """Try finer settings until one reaches the error, or would take more evaluations than `level`.

    An estimator is out of the race when its error has stopped falling, and when a setting has taken
    `most_evals`, up to which every setting is tried in the last round.
    """
    ladder = from_loose_to_tight(estimator, samples.problem, 1)
    settings = islice(ladder, len(racer.tried), None)
    while racer.closest > error:
        if racer.spent >= most_evals or _no_better(racer):
            return replace(racer, out=True)
        if racer.expected > level and level < most_evals:
            return racer
        setting = next(settings, None)
        if setting is None:
            return replace(racer, out=True)
        found = try_setting(estimator, samples, setting, most_evals)
        racer = replace(racer, tried=(*racer.tried, found))
    return replace(racer, reached=_refined(estimator, samples, error, racer.tried, most_evals))


def _no_better(racer: Racer) -> bool:
    return stands([one.rel_error for one in racer.tried if one.rel_error <= NO_ESTIMATE])


def _refined(
    estimator: Estimator, samples: Samples, error: float, tried: Sequence[Tried], most_evals: float
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
