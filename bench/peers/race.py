"""Gradients of equal error, timed in turn in one process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradpareto.bench.peers.peer import Ready
from gradpareto.bench.run.overhead import Spread, seconds_of
from gradpareto.bench.run.plan import timed_lanes
from gradpareto.bench.run.samples import Samples
from gradpareto.estimators import Estimator
from gradpareto.systems import Array

SLOWER = 2.0
"""A contender that takes longer than the fastest of its side by this factor is timed no further."""
FAR_BEHIND = 50.0
"""A contender that is slower than the fastest of its side by this factor enters no larger batch: a
batch makes up for a few slow calls, and a gradient of 86 s also held 20 GB."""
LEAST_ROUNDS, MOST_ROUNDS = 7, 64
LONG = 0.5
"""Seconds beside which those that a first call takes to warm up are few."""


@dataclass(frozen=True)
class Contender:
    """An estimator of the project or a peer, at the setting with which it achieves `rel_error`."""

    name: str
    estimator: Estimator
    setting: float
    rel_error: float

    @property
    def is_peer(self) -> bool:
        return isinstance(self.estimator, Ready)

    @property
    def compile_s(self) -> float:
        """The seconds that were spent before any gradient."""
        return self.estimator.compile_s if isinstance(self.estimator, Ready) else 0.0


@dataclass(frozen=True)
class Race:
    """The seconds (R, C) of R rounds of C contenders, who are the fastest of their sides.

    `dropped` are the others, each with the seconds of one gradient.
    """

    contenders: Sequence[Contender]
    seconds: Array
    dropped: Sequence[tuple[Contender, float]]

    def spread(self, name: str) -> Spread:
        """Return the quartiles of a contender's seconds."""
        return Spread.of(self._column(name))

    def ratio(self, name: str, other: str) -> Spread:
        """Return the quartiles of the ratio of two contenders' seconds, round by round."""
        return Spread.of(self._column(name) / self._column(other))

    def fastest(self, is_peer: bool) -> Contender | None:
        """Return the contender of a side with the smallest median, if the side has one."""
        side = [one for one in self.contenders if one.is_peer == is_peer]
        return min(side, key=lambda one: self.spread(one.name).median, default=None)

    def far_behind(self) -> set[str]:
        """Return the names of those that are too slow for a larger batch."""
        best = {side: self.fastest(side) for side in (False, True)}
        return {
            one.name
            for one, seconds in self.dropped
            if (first := best[one.is_peer])
            and seconds > FAR_BEHIND * self.spread(first.name).median
        }

    def _column(self, name: str) -> Array:
        names = [one.name for one in self.contenders]
        return np.asarray(self.seconds[:, names.index(name)])


def race(contenders: Sequence[Contender], samples: Samples, lanes: int, seconds: float) -> Race:
    """Time gradients of batches of `lanes`, in rounds that go on for about these `seconds`.

    In each round every contender has the next batch of the samples, in turn. A first pass drops
    those of each side that are slower than its fastest by the factor SLOWER.
    """
    first = {one.name: first_seconds(one, samples, lanes) for one in contenders}
    best = {
        side: min((first[one.name] for one in contenders if one.is_peer == side), default=np.inf)
        for side in (False, True)
    }
    kept = [one for one in contenders if first[one.name] <= SLOWER * best[one.is_peer]]
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < LEAST_ROUNDS or (len(rounds) < MOST_ROUNDS and time.perf_counter() < end):
        number = len(rounds)
        turn = [kept[(number + k) % len(kept)] for k in range(len(kept))]
        spent = {one.name: _seconds(one, samples, lanes, number) for one in turn}
        rounds.append([spent[one.name] for one in kept])
    dropped = [(one, first[one.name]) for one in contenders if one not in kept]
    return Race(kept, np.array(rounds), dropped)


def first_seconds(one: Contender, samples: Samples, lanes: int) -> float:
    """Return the seconds of a gradient, the smallest of three unless they are LONG."""
    few = timed_lanes(one.estimator, lanes)
    spent = _seconds(one, samples, few, 0)
    if spent < LONG:
        spent = min(_seconds(one, samples, few, 0) for _ in range(2))
    return spent * lanes / few


def _seconds(one: Contender, samples: Samples, lanes: int, first: int) -> float:
    problem, x0 = samples.batch(lanes, first)
    return seconds_of(partial(one.estimator, problem, x0, one.setting))
