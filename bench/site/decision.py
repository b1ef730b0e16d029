"""The decision table: which estimator to use, by the kind of the system, the error and the cost.

On a problem, an estimator counts if its median sample reaches the error. Those that count on most
problems of a kind come first, and among them the one whose cost is least: the geometric mean of its
cost over the least cost on each problem (the mean of the ratios of Dolan and More's performance
profiles, Mathematical Programming 91:201, 2002). For memory, only those count that need at most
MOST_EVALS times the fewest evaluations: what stores nothing and never ends helps nobody. For a
time, only those count that were timed on every problem of the kind on which they reach the error:
`gradpareto times` does so for the two that are fastest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradpareto.bench.judge.table import TARGETS
from gradpareto.bench.site.costs import EVALUATIONS, STORED, Priced
from gradpareto.bench.site.page import error_text
from gradpareto.bench.site.problem_run import ProblemRun
from gradpareto.systems.kinds import KINDS, UNDECLARED

MOST_EVALS = 10.0
"""Estimators that need more than this multiple of the fewest evaluations win nothing in memory."""

ProblemKey = tuple[str, str]


@dataclass(frozen=True)
class Ranked:
    """An estimator in one decision: its cost where it counts, and the mean over the least."""

    estimator: str
    costs: Mapping[ProblemKey, float]
    over_least: float

    @property
    def reached(self) -> int:
        """The number of problems on which it counts."""
        return len(self.costs)


@dataclass(frozen=True)
class Decision:
    """The estimators that reach an error on problems of a kind, the best first.

    `problems` are those on which the cost is known of an estimator that reaches the error, and
    `untold` is the number of others of the kind. `measured` tells whether the cost was measured.
    """

    kind: str
    target: float
    cost: Priced
    problems: tuple[ProblemKey, ...]
    untold: int
    measured: bool
    ranking: tuple[Ranked, ...]

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
        logs = [np.log(other[key] / own[key]) for key in own if key in other]
        return float(np.exp(np.mean(logs))) if logs else float("nan")

    @property
    def name(self) -> str:
        """A name that tells it from others of its kind, also in a link."""
        return f"{self.cost.anchor}-{error_text(self.target)}"


def decide(kind: str, target: float, cost: Priced, problems: Sequence[ProblemRun]) -> Decision:
    """Rank the estimators of a run on the problems of a kind."""
    own = [problem for problem in problems if problem.kind == kind]
    place = TARGETS.index(target)
    beaten = set().union(*(problem.beaten(cost, place) for problem in own))
    costs = {problem.key: _costs(problem, place, cost, beaten) for problem in own}
    rested = tuple(key for key, found in costs.items() if found)
    names = dict.fromkeys(name for found in costs.values() for name in found)
    least = {key: min(costs[key].values()) for key in rested}
    ranking = []
    for name in names:
        mine = {key: costs[key][name] for key in rested if name in costs[key]}
        logs = [np.log(value / least[key]) for key, value in mine.items()]
        ranking.append(Ranked(name, mine, float(np.exp(np.mean(logs)))))
    ranking.sort(key=lambda one: (-one.reached, one.over_least, one.estimator))
    measured = any(problem.is_measured(cost, [target]) for problem in own)
    return Decision(kind, target, cost, rested, len(own) - len(rested), measured, tuple(ranking))


def _costs(problem: ProblemRun, place: int, cost: Priced, beaten: set[str]) -> dict[str, float]:
    """Return the cost of each estimator that counts at one of TARGETS, and is not `beaten`."""
    evals = {name: needed[place] for name, needed in problem.needed[EVALUATIONS.name].items()}
    most = np.inf
    if cost is STORED:
        fewest = [value for value in evals.values() if np.isfinite(value)]
        most = MOST_EVALS * min(fewest, default=0.0)
    return {
        name: float(needed[place])
        for name, needed in problem.needed[cost.name].items()
        if name not in beaten and np.isfinite(needed[place]) and evals[name] <= most
    }


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
