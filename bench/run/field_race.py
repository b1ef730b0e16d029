"""A race of estimators to a relative error on one problem: who needs the fewest evaluations?"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from gradpareto.bench.judge.frontier import NO_ESTIMATE
from gradpareto.bench.judge.stalled import stands
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import Died, TimedOut
from gradpareto.bench.run.engines.worker import TaskFault
from gradpareto.bench.run.loosest_setting import on_ladder, rung
from gradpareto.bench.run.racer import QUARTER, Racer
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import Samples, seen_by
from gradpareto.bench.run.sending import schedule
from gradpareto.bench.run.tried_setting import Tried, try_setting
from gradpareto.estimators import ESTIMATORS, Estimator

FIRST_LEVEL, NEXT_LEVEL = 32.0, 2**0.5
"""The evaluations of a sample up to which the first round goes, and how much further the next."""
BEHIND = 3.0
"""An estimator is given up when it takes this many times the evaluations of one that is there."""
PLACES = 12
"""It is also given up when this many others have arrived with fewer evaluations than it has taken:
it can have none of the first places. A race for fewer places ends earlier."""
HASTE = 1.2
"""Once somebody has arrived, a racer whose stride is too long for a round takes a shorter one, if
that is expected to take HASTE times the evaluations at least: places are filled in the order of the
evaluations, so that nobody tries settings far beyond the last."""
STUCK_RUNGS, STUCK_GROWTH = 3, 1.2
"""An iteration that fails on this number of rungs in a row, and takes less than this many times the
evaluations of the rung before, ends at its limit of sweeps, and would on the next one, too."""
SECONDS, PATIENCE = 5.0, 10.0
"""A worker that takes SECONDS and PATIENCE times what all calls of a setting can take, one by one,
ends the race of its estimator: it hangs, or spends its time elsewhere."""


@dataclass(frozen=True)
class Goal:
    """The error to which a problem's estimators race, for how many places, within what limit.

    A sample may take `most_evals` evaluations, and a call of one row takes `call_seconds`, by
    which it is judged who hangs. The racers with the fewest evaluations that arrive are found, for
    this many `places`.
    """

    system: str
    samples: Samples
    error: float
    most_evals: float
    call_seconds: float
    places: int = PLACES

    @property
    def seconds(self) -> float:
        """The seconds after which a worker's settings of a round are ended, and their racer is out.

        They suffice for `most_evals` evaluations of each sample, since a single setting may take
        as many, whatever those before it took.
        """
        return SECONDS + PATIENCE * self.call_seconds * len(self.samples.x0) * self.most_evals


Step = Callable[[Racer, Estimator, Goal], Racer]
"""A step that a racer takes in a round: it advances, or is refined, and is returned."""


def race(goal: Goal, jobs: int, report: Report, racers: Sequence[Racer] = ()) -> list[Racer]:
    """Race estimators, all that are registered by default, to a median relative error.

    `racers` of a race to a larger error go on from the settings that they tried in it. Each goes
    from loose to tight. The rounds are bounded by evaluations, and a round ends before anybody is
    given up, so that the result is the same for any number of jobs. Some estimators see fewer
    samples (`seen_by`).
    """
    entered = racers or map(Racer, ESTIMATORS)
    there = {one.name: Racer(one.name, one.tried, one.rungs) for one in entered}
    level = FIRST_LEVEL
    with Processes(jobs) as pool:
        while any(one.going for one in there.values()):
            up_to = min(level, goal.most_evals)
            for going in [*likely_first(there, goal), ()]:
                # Who has arrived is refined beside the next set, so that no worker waits for it.
                bounds = bounds_of(there.values(), goal.places)
                advance = partial(advanced, level=up_to, bounds=bounds)
                steps: list[tuple[Racer, Step]] = [(one, advance) for one in going]
                steps += [(one, refined) for one in coarse(there, goal.places)]
                there |= _together(pool, report, goal, up_to, steps)
            there = without_the_last(there, goal.places)
            level *= NEXT_LEVEL
    return list(there.values())


def likely_first(racers: Mapping[str, Racer], goal: Goal) -> Iterator[Sequence[Racer]]:
    """Yield who is going, those first that are likely to arrive first, in sets that double.

    The first set is as large as there are places: the bound that it leaves spares the others
    settings that cannot have one. Of those that are not foreseen, who solves lane by lane and who
    has taken more go later.
    """

    def expected(one: Racer) -> tuple[float, bool, float]:
        return one.needs(goal.error), ESTIMATORS[one.name].declares.per_lane, one.spent

    going = sorted((one for one in racers.values() if one.going), key=expected)
    start, size = 0, goal.places
    while start < len(going):
        yield going[start : start + size]
        start, size = start + size, 2 * size


def coarse(racers: Mapping[str, Racer], places: int) -> list[Racer]:
    """Return who has arrived, and can have a place with a looser setting than was tried."""
    _, last = bounds_of(racers.values(), places)
    arrived = [one for one in racers.values() if one.reached and not one.refined]
    return [one for one in arrived if one.at_least < last]


def _together(
    pool: Processes, report: Report, goal: Goal, level: float, steps: Sequence[tuple[Racer, Step]]
) -> dict[str, Racer]:
    """Let racers take steps side by side, those first that take longest; return them by name."""
    sent = {}
    for one, step in sorted(steps, key=lambda pair: -pair[0].seconds):
        estimator = ESTIMATORS[one.name]
        seen = replace(goal, samples=seen_by(estimator, goal.samples))
        sent[one.name] = (
            one,
            schedule(pool, [goal.system], step, (one, estimator, seen), seen.seconds),
        )
    there = {}
    for done, (name, (before, future)) in enumerate(sent.items(), 1):
        there[name] = _outcome(future, before)
        said = f"{goal.system} {goal.error:g}, {level:,.0f} evaluations: {name}"
        report(said, done, len(sent))
    return there


def _outcome(future: "Future[Racer]", before: Racer) -> Racer:
    try:
        return future.result()
    except (Died, TimedOut, TaskFault):
        return replace(before, refined=True, out=True)


def bounds_of(racers: Iterable[Racer], places: int) -> tuple[float, float]:
    """Return the evaluations of who is first, and those beyond which nobody has a place.

    That is as many as the last place has taken, or BEHIND times the first. Both are inf while
    nobody has arrived.
    """
    needed = sorted(one.reached.evals for one in racers if one.reached)
    first = min(needed, default=np.inf)
    return first, min([BEHIND * first, *needed[places - 1 : places]])


def without_the_last(racers: Mapping[str, Racer], places: int) -> dict[str, Racer]:
    """Give those up who have taken BEHIND times what another needed, or can have no place."""
    _, last = bounds_of(racers.values(), places)
    return {
        name: replace(one, out=one.out or (not one.reached and one.spent > last))
        for name, one in racers.items()
    }


def advanced(
    racer: Racer, estimator: Estimator, goal: Goal, level: float, bounds: tuple[float, float]
) -> Racer:
    """Try finer settings until one reaches the error, or would take more evaluations than `level`.

    An estimator is out of the race when its error has stopped falling, when one setting has taken
    as many evaluations as it may, and when no finer one is likely to stay within those of the last
    place: or of the first, as long as its error tells nothing. `bounds` has the two.
    """
    first, last = bounds
    while racer.closest > goal.error:
        bound = min(goal.most_evals, first if racer.tells_nothing else last)
        at = racer.next_rung(bound, estimator.declares.iterative)
        if at is None or not on_ladder(estimator, at):
            return replace(racer, out=True)
        if racer.spent >= goal.most_evals or _no_better(racer, estimator):
            return replace(racer, out=True)
        if racer.expected(at) > level:
            nearer = racer.next_rung(level, estimator.declares.iterative)
            if (
                not np.isfinite(first)
                or nearer is None
                or racer.expected(nearer) < HASTE * racer.spent
            ):
                return racer
            at = nearer
        racer = racer.tries(at, _tried(racer, estimator, goal, at))
    return replace(racer, reached=racer.tried[-1])


def _tried(racer: Racer, estimator: Estimator, goal: Goal, at: float) -> Tried:
    """Try the setting on a rung, unless the racer knows it: few steps have no quarters between."""
    setting = rung(estimator, goal.samples.problem, at)
    known = (one for one in racer.tried if one.setting == setting)
    return next(known, None) or try_setting(estimator, goal.samples, setting, goal.most_evals)


def _no_better(racer: Racer, estimator: Estimator) -> bool:
    """Tell whether errors have stopped falling from rung to rung, or an iteration is stuck."""
    apart, latest = list[Tried](), -1.0
    for one, at in zip(racer.tried, racer.rungs, strict=True):
        if at >= latest + 1:
            apart.append(one)
            latest = at
    if stands([one.rel_error for one in apart if one.rel_error <= NO_ESTIMATE]):
        return True
    last = apart[-STUCK_RUNGS:]
    return (
        estimator.declares.iterative
        and len(last) == STUCK_RUNGS
        and all(np.isinf(one.rel_error) and one.evals > 0 for one in last)
        and all(after.evals < STUCK_GROWTH * before.evals for before, after in pairwise(last))
    )


def refined(racer: Racer, estimator: Estimator, goal: Goal) -> Racer:
    """Find the cheapest setting that reaches the error, among the quarters looser than the last.

    The next quarter is where the logarithm of the error crosses the goal's on a line between the
    settings around it, or in their middle after two that did not halve their distance.
    """
    best = met = racer.tried[-1]
    missed = [met, *racer.tried][-2]
    loose, tight = [0.0, *racer.rungs][-2], racer.rungs[-1]
    idle = 0
    while (apart := tight - loose) > QUARTER:
        share = 0.5 if idle == 2 else crossing(missed.rel_error, met.rel_error, goal.error)
        most = apart / QUARTER - 1
        middle = loose + QUARTER * min(max(round(share * apart / QUARTER), 1), most)
        found = _tried(racer, estimator, goal, middle)
        if found.rel_error > goal.error:
            loose, missed = middle, found
        else:
            tight, met = middle, found
            best = min(best, found, key=lambda one: one.evals)
        idle = 0 if idle == 2 or tight - loose <= apart / 2 else idle + 1
    return replace(racer, reached=best, refined=True)


def crossing(missed: float, met: float, error: float) -> float:
    """Return the share of the way from an error to a smaller one at which a third lies between.

    It is that on a line through their logarithms, and a half where one of them has none.
    """
    if not (np.isfinite(missed) and met > 0 and missed > met):
        return 0.5
    return float(np.log(missed / error) / np.log(missed / met))
