"""The decision table: which estimator to use, by the kind of the system, the error and the cost.

On a problem, an estimator counts if its median sample reaches the error and its cost is known.
Those that count on most problems of a kind come first, and among them the one whose cost is least:
the geometric mean of its cost over the least cost on each problem (the mean of the ratios of Dolan
and More's performance profiles, Mathematical Programming 91:201, 2002). The presets of a system
are not independent, so that each system has the same weight, and its presets share it. For memory,
only those count that need at most MOST_EVALS times the fewest evaluations, in the same mean: what
stores nothing and never ends helps nobody. For a time, only those count that were timed on every
problem of the kind on which they reach the error: `gradpareto times` does so for the two that are
fastest.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np

from gradpareto.bench.judge.mean_ratio import ProblemKey, mean_ratio
from gradpareto.bench.judge.table import TARGETS
from gradpareto.bench.site.costs import EVALUATIONS, STORED, Priced
from gradpareto.bench.site.page import error_text
from gradpareto.bench.site.problem_run import Needed, ProblemRun
from gradpareto.systems.kinds import KINDS, UNDECLARED

MOST_EVALS = 10.0
"""Estimators that need more than this multiple of the fewest evaluations win nothing in memory."""


@dataclass(frozen=True)
class Ranked:
    """An estimator in one decision: its cost where it counts, and the mean over the least.

    `unknown` are the problems on which it reaches the error at a cost that was not measured.
    """

    estimator: str
    costs: Mapping[ProblemKey, float]
    over_least: float
    unknown: frozenset[ProblemKey]

    @property
    def reached(self) -> int:
        """The number of problems on which it counts."""
        return len(self.costs)


@dataclass(frozen=True)
class Decision:
    """The estimators that reach an error on problems of a kind, the best first.

    `problems` are those on which the cost is known of an estimator that reaches the error, and
    `others` the rest. `least` has who needs least on each, with its cost. `measured` tells whether
    the cost was measured, and `reached` whether any estimator reaches the error.
    """

    kind: str
    target: float
    cost: Priced
    problems: tuple[ProblemKey, ...]
    others: tuple[ProblemKey, ...]
    least: Mapping[ProblemKey, tuple[str, float]]
    measured: bool
    reached: bool
    ranking: tuple[Ranked, ...]

    @property
    def total(self) -> int:
        """The number of problems of the kind."""
        return len(self.problems) + len(self.others)

    @property
    def systems(self) -> int:
        """The number of systems that the problems of the kind are presets of."""
        return len({system for system, _ in (*self.problems, *self.others)})

    @property
    def winner(self) -> Ranked | None:
        """The first, if there is one."""
        return self.ranking[0] if self.ranking else None

    @property
    def second(self) -> Ranked | None:
        """The second, if there is one."""
        return self.ranking[1] if len(self.ranking) > 1 else None

    @cached_property
    def margin(self) -> float:
        """The second's cost over the winner's on the problems of both; NaN if there is none."""
        if self.winner is None or self.second is None:
            return float("nan")
        own, other = self.winner.costs, self.second.costs
        return mean_ratio({key: other[key] / own[key] for key in own if key in other})

    @property
    def name(self) -> str:
        """A name that tells it from others of its kind, also in a link."""
        return f"{self.cost.anchor}-{error_text(self.target)}"


def decide(kind: str, target: float, cost: Priced, problems: Sequence[ProblemRun]) -> Decision:
    """Rank the estimators of a run on the problems of a kind."""
    own, place = [one for one in problems if one.kind == kind], TARGETS.index(target)
    evals = {one.key: _finite(one.needed[EVALUATIONS.name], place) for one in own}
    out = set().union(*(one.beaten(cost, place) for one in own))
    if cost is STORED:
        out |= _expensive(evals)
    found = {one.key: _finite(one.needed[cost.name], place, out) for one in own}
    costs = {key: known for key, known in found.items() if known}
    least = {key: min(known.items(), key=itemgetter(1)) for key, known in costs.items()}
    ranking = []
    for name in dict.fromkeys(name for known in costs.values() for name in known):
        mine = {key: known[name] for key, known in costs.items() if name in known}
        over = mean_ratio({key: value / least[key][1] for key, value in mine.items()})
        unknown = frozenset(key for key in evals if name in evals[key] and key not in mine)
        ranking.append(Ranked(name, mine, over, unknown))
    ranking.sort(key=lambda one: (-one.reached, one.over_least, one.estimator))
    return Decision(
        kind,
        target,
        cost,
        problems=tuple(costs),
        others=tuple(key for key in found if key not in costs),
        least=least,
        measured=any(problem.is_measured(cost, [target]) for problem in own),
        reached=any(evals.values()),
        ranking=tuple(ranking),
    )


def _finite(needed: Needed, place: int, out: Set[str] = frozenset()) -> dict[str, float]:
    """Return what each estimator needs at one of TARGETS, if it is known and it is not `out`."""
    return {
        name: float(values[place])
        for name, values in needed.items()
        if name not in out and np.isfinite(values[place])
    }


def _expensive(evals: Mapping[ProblemKey, Mapping[str, float]]) -> set[str]:
    """Return who needs more than MOST_EVALS times the fewest evaluations."""
    ratios: dict[str, dict[ProblemKey, float]] = defaultdict(dict)
    for key, needed in evals.items():
        for name, value in needed.items():
            ratios[name][key] = value / min(needed.values())
    return {name for name, own in ratios.items() if mean_ratio(own) > MOST_EVALS}


def kinds_of(problems: Sequence[ProblemRun]) -> list[str]:
    """Return all kinds in the order of the table; UNDECLARED if a system declares none."""
    undeclared = any(problem.kind == UNDECLARED for problem in problems)
    return [*KINDS, *([UNDECLARED] if undeclared else [])]


def decisions(problems: Sequence[ProblemRun], costs: Sequence[Priced]) -> list[Decision]:
    """Decide for every kind, every one of TARGETS and every one of the costs."""
    return [
        decide(kind, target, cost, problems)
        for kind in kinds_of(problems)
        for cost in costs
        for target in TARGETS
    ]
