"""The verdicts on pairs of named estimators, with the evidence at each error of the ladder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gradpareto.bench.draw.highlights import MOST_NAMED
from gradpareto.bench.judge.evidence import Evidence, evidence
from gradpareto.bench.judge.frontier import attainment
from gradpareto.bench.judge.medians import median_known
from gradpareto.bench.judge.paired import log_ratios
from gradpareto.bench.judge.pairs import Pairs, compare_pairs, mean_log_ratios
from gradpareto.bench.run.plan import DEFAULT_ESTIMATORS
from gradpareto.bench.site.decision import Decision
from gradpareto.bench.site.problem_run import ProblemRun, Run
from gradpareto.systems import Array


@dataclass(frozen=True)
class PairOnProblem:
    """A pair on one problem: what the simultaneous tests say, and the ratios that they are of.

    `median`, `lower` and `upper` (T,) are NEW's evaluations over BASELINE's at the errors of LADDER
    that are judged, with the bounds of the median: 0 where only NEW reaches the error, infinite
    where only BASELINE does, and NaN where neither does. `ratio` is the mean over the errors that
    both reach, as that of `gradpareto compare`, or NaN.
    """

    problem: ProblemRun
    found: Evidence
    ratio: float
    median: Array
    lower: Array
    upper: Array


@dataclass(frozen=True)
class Pair:
    """NEW against BASELINE, on each problem on which both were measured on a common sample."""

    new: str
    baseline: str
    parts: tuple[PairOnProblem, ...]

    def count(self, answer: str) -> int:
        """Return the number of problems with an answer."""
        return sum(part.found.answer == answer for part in self.parts)


def named_estimators(run: Run, decisions: Iterable[Decision], asked: Sequence[str]) -> list[str]:
    """Return at most MOST_NAMED estimators that have a page a pair.

    They are those that are asked for; else all of a run of few, or those of the default plan and
    then the most frequent winners of the decision table.
    """
    if asked:
        return list(dict.fromkeys(asked))
    if len(run.estimators) <= MOST_NAMED:
        return run.estimators
    won = [one.winner.estimator for one in decisions if one.winner is not None]
    winners = sorted(dict.fromkeys(won), key=lambda name: -won.count(name))
    plan = [name for name in DEFAULT_ESTIMATORS if name in run.estimators]
    return list(dict.fromkeys([*plan, *winners]))[:MOST_NAMED]


def pairs(problems: Sequence[ProblemRun], names: Sequence[str]) -> Iterator[Pair]:
    """Judge each pair of the named estimators on every problem."""
    ratios = {problem.key: _mean_ratios(problem, names) for problem in problems}
    for new, baseline in combinations(names, 2):
        parts = (_judge(p, new, baseline, ratios[p.key]) for p in problems)
        yield Pair(new, baseline, tuple(part for part in parts if part is not None))


def _mean_ratios(problem: ProblemRun, names: Sequence[str]) -> Mapping[tuple[str, str], float]:
    """Return the ratio of each ordered pair that was measured on a problem."""
    own = [name for name in names if name in problem.of]
    if not own:
        return {}
    reached = [attainment(problem.of[name]) for name in own]
    compared: Pairs = compare_pairs(reached, problem.samples)
    ratios = np.exp(median_known(mean_log_ratios(compared.log_ratios)))
    return {(a, b): float(ratios[i, j]) for i, a in enumerate(own) for j, b in enumerate(own)}


def _judge(
    problem: ProblemRun, new: str, baseline: str, ratios: Mapping[tuple[str, str], float]
) -> PairOnProblem | None:
    """Judge a pair on a problem; None if no sample is common to the two."""
    if (new, baseline) not in ratios:
        return None
    seen = [
        np.isin(problem.samples, problem.of[name]["sample"].unique()) for name in (new, baseline)
    ]
    common = seen[0] & seen[1]
    if not common.any():
        return None
    needed = problem.ladder_evals
    logs = log_ratios(needed[new], needed[baseline])[common]
    found = evidence(logs)
    arrives = (np.isfinite(needed[new]) | np.isfinite(needed[baseline]))[common, : found.targets]
    middle, low, high = (
        np.where(arrives.mean(axis=0) > 0.5, np.exp(bound), np.nan)
        for bound in (median_known(logs[:, : found.targets].T), found.lower, found.upper)
    )
    return PairOnProblem(problem, found, ratios[new, baseline], middle, low, high)
