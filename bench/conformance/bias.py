"""Checks of estimators that draw random numbers: their bias, and how their spread falls."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.problems import PARTS, Solved, solved
from gradpareto.bench.run.attempt import attempt
from gradpareto.estimators import Estimate, Estimator
from gradpareto.systems import Array

REPLICATES = 32
"""The calls in each of two rounds, every one with a seed of its own, the same ones every time."""
STANDARD_ERRORS = 3.0
SEEN = STANDARD_ERRORS + 1.64
"""A bias of this many standard errors is found in one round with a probability of 95 %, and in both
of two with 90 %."""
EXACT_ENOUGH = 1e-3
"""A bias that passes however small the standard error: that of the solves behind the rollouts."""
POWER = 0.25
"""The largest bias, relative to the gradient, of which a check may be as unsure as SEEN says."""
LOOSER = {"rollouts": 1 / 16, "step": 8.0, "tolerance": 1e3}
"""The factor of the setting, by knob, at which the error of an estimate is compared."""
FALL = 2.0
"""The factor by which the error is smaller at the tight setting; four is expected of rollouts."""


@dataclass(frozen=True)
class Bias:
    """The bias of one part of the result on one problem, relative to the part's norm.

    `rounds` holds the bias in each of two rounds, and `error` the larger standard error.
    """

    name: str
    rounds: tuple[float, float]
    error: float
    along: bool
    """Whether it is the bias along the truth, and not across it."""

    @property
    def most(self) -> float:
        """The largest bias that passes."""
        return max(STANDARD_ERRORS * self.error, EXACT_ENOUGH)

    @property
    def found(self) -> bool:
        """Whether both rounds show it: chance alone takes one round in a hundred that far."""
        return not min(map(abs, self.rounds)) <= self.most

    def __str__(self) -> str:
        first, second = self.rounds
        return f"{self.name} {first:+.1%} and {second:+.1%}, each give or take {self.error:.1%}"


def unbiased(check: str, estimator: Estimator, names: Iterable[str]) -> Finding:
    """A finding on whether the mean of estimates is the truth, within STANDARD_ERRORS."""
    found = [one for name in names for one in _biases(estimator, name)]
    seen = SEEN * max(one.error for one in found if one.along)
    wrong = [one for one in found if one.found]
    blind = not wrong and not seen <= POWER
    return judged(
        check,
        not wrong and not blind,
        f"a bias within {STANDARD_ERRORS:g} standard errors of the mean of {REPLICATES} estimates, "
        f"or within {EXACT_ENOUGH:.1%}",
        f"biases: {'; '.join(map(str, wrong or found))}; along the true one, a bias of {seen:.1%} "
        "would have been found with a probability of 90 %",
        f"declare a `tight` with more rollouts: a bias of {POWER:.0%} has to be visible"
        if blind
        else "look for a sign or a factor of the estimate (the radius, the number of rollouts), a "
        "baseline that is correlated with the draw, and draws that are not of mean zero and "
        "covariance one",
    )


def spread(estimator: Estimator) -> Finding:
    """A finding on whether the error of an estimate falls as its setting is tightened."""
    known, tight = _alone("linear regulator"), estimator.declares.tight
    loose = tight * LOOSER[estimator.declares.knob]
    errors = [
        float(np.sqrt(np.mean([np.square(known.gradient_errors(one)) for one in estimates])))
        for estimates in (_estimates(estimator, known, s, 0) for s in (loose, tight))
    ]
    return judged(
        "order",
        errors[1] <= errors[0] / FALL and bool(np.isfinite(errors[0])),
        f"an error that is at least {FALL:g} times smaller at {estimator.declares.knob} "
        f"{tight:g} than at {loose:g}",
        f"relative errors of {REPLICATES} estimates: {errors[0]:.1e} at {loose:g}, "
        f"{errors[1]:.1e} at {tight:g}",
        "use all the rollouts that the setting allows, each with a draw of its own",
    )


def _alone(name: str) -> Solved:
    """A problem with its first sample alone: replicates are expensive; `lanes` checks the rest."""
    known = solved(name)
    problem = known.problem.take(np.array([0]))
    return Solved(problem, known.x0[:1], known.loss[:1], known.gradient[:1])


def _biases(estimator: Estimator, name: str) -> list[Bias]:
    known, tight = _alone(name), estimator.declares.tight
    rounds = [_estimates(estimator, known, tight, REPLICATES * k) for k in range(2)]
    found = []
    for part in PARTS:
        for kind, measure in MEASURES.items():
            (one, e1), (two, e2) = (measure(*_parts(known, each, part)) for each in rounds)
            along = measure is _along
            found.append(Bias(f"{name}: {part} {kind}", (one, two), max(e1, e2), along))
    return [one for one in found if one.along or "loss" not in one.name]


def _estimates(estimator: Estimator, known: Solved, setting: float, first: int) -> list[Estimate]:
    """REPLICATES estimates with seeds of their own. Raises ValueError if one is missing."""
    found = []
    for replicate in range(first, first + REPLICATES):
        outcome = attempt(estimator, known.problem, known.x0, setting, replicate)
        if outcome.estimate is None:
            raise ValueError(f"with seed {replicate} further on: {outcome.reason}")
        found.append(outcome.estimate)
    return found


def _parts(known: Solved, estimates: list[Estimate], part: str) -> tuple[Array, Array]:
    """Errors (K, B, n) of K estimates of a part, over its norm, and its true direction (B, n)."""
    true = known.true[part]
    size = np.linalg.norm(true, axis=1)[:, None]
    given = np.stack([known.parts(one.loss, one.gradient)[part] for one in estimates])
    return (given - true) / size, true / size


def _along(off: Array, direction: Array) -> tuple[float, float]:
    """The bias along the truth, averaged over samples, and its standard error."""
    along = (off * direction).sum(axis=2).mean(axis=1)
    return float(along.mean()), float(along.std(ddof=1) / np.sqrt(len(along)))


def _across(off: Array, direction: Array) -> tuple[float, float]:
    """The bias across the truth, in root mean square over samples, and its standard error.

    The norm of a mean without any bias is about its standard error.
    """
    across = off - (off * direction).sum(axis=2, keepdims=True) * direction
    mean = np.sqrt(np.square(across.mean(axis=0)).sum(axis=1).mean())
    variance = across.var(axis=0, ddof=1).sum(axis=1).mean()
    return float(mean), float(np.sqrt(variance / len(across)))


MEASURES = {"along the true one": _along, "across it": _across}
