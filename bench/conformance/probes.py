"""Fresh initial states and parameters for the checks, which no estimator can have seen before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from gradpareto.systems import Array, Problem

SPREAD = 0.05
"""The largest relative change of a number of x0 or theta. It keeps a problem as hard as it is, so
that the tolerances of the checks hold; and it moves the gradient by much more than they allow, so
that what was learned by heart fails."""
_SEED: ContextVar[int | None] = ContextVar("seed", default=None)

Given = ParamSpec("Given")
Made = TypeVar("Made")


@contextmanager
def probes(seed: int | None) -> Iterator[None]:
    """Have the problems of the checks moved at random inside; None leaves them as they are."""
    token = _SEED.set(seed)
    try:
        yield
    finally:
        _SEED.reset(token)


def moved(problem: Problem, x0: Array) -> tuple[Problem, Array]:
    """Return a problem and its x0 (B, state_dim), each number of theta and x0 moved at random.

    Problems of one shape are moved alike.
    """
    seed = _SEED.get()
    if seed is None:
        return problem, x0
    rng = np.random.default_rng([seed, *problem.theta.shape, *x0.shape])
    theta, x0 = (
        part * (1 + SPREAD * rng.uniform(-1, 1, part.shape)) for part in (problem.theta, x0)
    )
    return problem.with_theta(theta), x0


def kept(make: Callable[Given, Made]) -> Callable[Given, Made]:
    """Keep what a function makes, apart for each seed of the probes."""

    @cache
    def held(_: int | None, given: tuple[Any, ...], named: tuple[tuple[str, Any], ...]) -> Made:
        return make(*given, **dict(named))

    @wraps(make)
    def call(*given: Given.args, **named: Given.kwargs) -> Made:
        return held(_SEED.get(), given, tuple(named.items()))

    return call
