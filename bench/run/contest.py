"""A contest of estimators for the least time, in which few of them have to be timed.

A gradient takes at least the time of its oracle calls. So the estimator that can be fastest, by
what is known of it, is measured further, until nobody who is not timed can be among the two
fastest. The order is that of the lower bounds, and no name and no random number decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradpareto.bench.judge.mean_ratio import ProblemKey, mean_ratio

BEHIND = 1.5
"""An estimator is not timed once its lower bound is this multiple of the second-fastest time.

The margin is for what makes a bound too large: the calls that are timed are those of the first
samples of a run, and a gradient's time is the median over rounds that begin at others.
"""


@dataclass(frozen=True)
class Known:
    """The seconds that a gradient takes: a lower bound, or the time itself once it `is_time`.

    They are infinite for an estimator that fails.
    """

    seconds: float
    is_time: bool


Field = Mapping[str, Mapping[ProblemKey, Known]]
"""The seconds that each estimator of a contest takes on each problem, as far as they are known."""
Measure = Callable[[str, ProblemKey], Known]
"""Measures an estimator on a problem further, and keeps what it finds: the time of its calls, and
then that of its gradient."""


def settle(
    field: Field, measure: Measure, least: Mapping[ProblemKey, float], behind: float = BEHIND
) -> None:
    """Measure until the two fastest are timed, and all that may be within `behind` of the second.

    An estimator on several problems is judged by the mean of its seconds over the `least` on each
    problem, as in the decision table.
    """
    known = {name: dict(own) for name, own in field.items()}
    while True:
        means = {name: _mean(own, least) for name, own in known.items()}
        timed = sorted(means[name] for name, own in known.items() if _is_timed(own))
        most = behind * timed[1] if len(timed) > 1 else np.inf
        others = [
            (mean, name)
            for name, mean in means.items()
            if mean <= most and np.isfinite(mean) and not _is_timed(known[name])
        ]
        if not others:
            return
        _, first = min(others)
        problem = next(key for key, one in known[first].items() if not one.is_time)
        known[first][problem] = measure(first, problem)


def settle_kind(field: Field, measure: Measure) -> None:
    """Settle who is fastest over the problems of a kind, of those that reach most of them.

    Whoever reaches an error on more problems comes first, whatever it costs. So those with fewer
    count only where a single one has most. A mean over problems needs no margin for noise.
    """
    problems = {problem for own in field.values() for problem in own}
    times = {
        problem: [own[problem].seconds for own in field.values() if _timed_on(own, problem)]
        for problem in problems
    }
    least = {problem: min(found) for problem, found in times.items() if found}
    reached = {
        name: sum(np.isfinite(k.seconds) for k in own.values()) for name, own in field.items()
    }
    settled = 0
    for most in sorted(set(reached.values()) - {0}, reverse=True):
        if settled > 1:
            return
        tier = {name: _reached(own) for name, own in field.items() if reached[name] == most}
        settle(tier, measure, least, behind=1.0)
        settled += len(tier)


def _reached(own: Mapping[ProblemKey, Known]) -> dict[ProblemKey, Known]:
    return {problem: one for problem, one in own.items() if np.isfinite(one.seconds)}


def _timed_on(own: Mapping[ProblemKey, Known], problem: ProblemKey) -> bool:
    return problem in own and own[problem].is_time and np.isfinite(own[problem].seconds)


def _is_timed(own: Mapping[ProblemKey, Known]) -> bool:
    return all(one.is_time for one in own.values())


def _mean(own: Mapping[ProblemKey, Known], least: Mapping[ProblemKey, float]) -> float:
    """Return the mean of the seconds over the least ones."""
    return mean_ratio({key: known.seconds / least[key] for key, known in own.items()})
