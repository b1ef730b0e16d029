"""Samples of a problem, tiled to batches of any size, with their true gradients where asked for."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradpareto.bench.run.plan import samples_of
from gradpareto.estimators import Estimator
from gradpareto.reference import NotSolved, load_or_certify
from gradpareto.systems import TASKS, Array, Problem


@dataclass(frozen=True)
class Samples:
    """The samples x0 (S, state_dim) of a problem.

    `gradient` (S, state_dim + P) is the stacked true gradient, and empty where it is not known.
    """

    problem: Problem
    x0: Array
    gradient: Array

    def batch(self, lanes: int, first: int = 0) -> tuple[Problem, Array]:
        """Return the problem and x0 of a batch that repeats the samples, from number `first` on."""
        chosen = (first + np.arange(lanes)) % len(self.x0)
        return self.problem.take(chosen), self.x0[chosen]

    def first(self, samples: int) -> "Samples":
        """Return the first of these samples, or all of them if there are no more."""
        kept = np.arange(min(samples, len(self.x0)))
        gradient = self.gradient[: len(kept)]
        return replace(self, problem=self.problem.take(kept), x0=self.x0[kept], gradient=gradient)

    def rel_error(self, gradient: Array) -> float:
        """Return the median relative error of the samples' gradients (S, state_dim + P)."""
        missed = np.linalg.norm(gradient - self.gradient, axis=1)
        return float(np.median(missed / np.linalg.norm(self.gradient, axis=1)))


def seen_by(estimator: Estimator, samples: Samples) -> Samples:
    """Return the samples that an estimator sees: fewer if it is expensive by its nature."""
    return samples.first(samples_of(estimator, samples.problem, len(samples.x0)))


def drawn(problem: Problem, samples: int, seed: int) -> Samples:
    """Draw samples of a problem, whose gradients are not known."""
    problem, x0 = problem.sample(np.random.default_rng(seed), samples)
    return Samples(problem, x0, np.empty((0, 0)))


def certified(system: str, theta: str, samples: int, seed: int, cache: Path) -> Samples:
    """Draw samples of a problem, and keep those whose reference can judge, in order.

    References are kept in the folder `cache`. Raises NotSolved if no sample can judge.
    """
    found = drawn(TASKS[system].problem(theta), samples, seed)
    reference = load_or_certify(found.problem, found.x0, cache)
    usable = np.flatnonzero(reference.usable())
    if not len(usable):
        raise NotSolved(f"{system} ({theta}), sample 0: {reference.verdict(0).text}")
    problem, gradient = found.problem.take(usable), reference.gradient[usable]
    return replace(found, problem=problem, x0=found.x0[usable], gradient=gradient)
