"""A contest for the least time: nobody who is among the fastest goes without a time."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradpareto.bench.judge.mean_ratio import ProblemKey as Problem
from gradpareto.bench.run.contest import BEHIND, Known, settle, settle_kind

KEYS = [("lqr", "optimal"), ("lqr", "trained"), ("quadrotor", "initial")]
SHARES = st.floats(0.01, 1.0)


class Clock:
    """True times, with two lower bounds of each: what counts calls and what rows alone are."""

    def __init__(self, times: dict[str, dict[Problem, tuple[float, float, float]]]) -> None:
        """Take the time, the share of it that calls are, and the share of these that rows are."""
        self.times = times
        self.asked: dict[tuple[str, Problem], int] = {}

    def field(self, *keys: Problem) -> dict[str, dict[Problem, Known]]:
        return {name: {key: self.known(name, key) for key in keys} for name in self.times}

    def known(self, name: str, key: Problem) -> Known:
        time, calls, rows = self.times[name][key]
        count = self.asked.get((name, key), 0)
        if count == 2 or not np.isfinite(time):
            return Known(time, True)
        return Known(time * calls * (1 if count else rows), False)

    def measure(self, name: str, key: Problem) -> Known:
        assert not self.known(name, key).is_time
        self.asked[name, key] = self.asked.get((name, key), 0) + 1
        return self.known(name, key)

    def timed(self, name: str, keys: Iterable[Problem]) -> bool:
        return all(self.known(name, key).is_time for key in keys)


def times(problems: int) -> st.SearchStrategy[dict[str, dict[Problem, tuple[float, float, float]]]]:
    time = st.one_of(st.floats(1e-4, 10.0), st.just(np.inf))
    on_each = st.fixed_dictionaries(
        {key: st.tuples(time, SHARES, SHARES) for key in KEYS[:problems]}
    )
    return st.dictionaries(st.sampled_from("abcdefgh"), on_each, min_size=1)


@given(times(1))
def test_the_two_fastest_are_timed_whatever_their_bounds(found) -> None:  # type: ignore[no-untyped-def]
    """Truth: the true times in order."""
    clock, (key, *_) = Clock(found), KEYS
    settle(clock.field(key), clock.measure, {key: 1.0})
    finite = [name for name, own in found.items() if np.isfinite(own[key][0])]
    ranked = sorted(finite, key=lambda name: found[name][key][0])
    assert all(clock.timed(name, [key]) for name in ranked[:2])
    for name in ranked[2:]:
        time, calls, rows = found[name][key]
        most = BEHIND * found[ranked[1]][key][0]
        if time * calls <= most:
            assert clock.timed(name, [key])
        if time * calls * rows > most:
            assert (name, key) not in clock.asked


@given(times(3))
def test_over_a_kind_the_two_fastest_of_those_that_reach_most_are_timed(found) -> None:  # type: ignore[no-untyped-def]
    """Truth: geometric means of true times over the least; presets share a system's weight."""
    clock = Clock(found)
    for key in KEYS:
        settle(clock.field(key), clock.measure, {key: 1.0})
    settle_kind(clock.field(*KEYS), clock.measure)
    reached = {n: [k for k in KEYS if np.isfinite(own[k][0])] for n, own in found.items()}
    least = {key: min(own[key][0] for own in found.values()) for key in KEYS}
    ranked = sorted(
        (-len(keys), shared_mean({k: found[name][k][0] / least[k] for k in keys}), name)
        for name, keys in reached.items()
        if keys
    )
    assert all(clock.timed(name, reached[name]) for _, _, name in ranked[:2])


def shared_mean(ratios: dict[Problem, float]) -> float:
    """Return the mean logarithm, in which the presets of a system share its weight."""
    presets = Counter(system for system, _ in ratios)
    weights = [1 / presets[system] for system, _ in ratios]
    return float(np.average(np.log(list(ratios.values())), weights=weights))


def test_the_presets_of_a_system_share_its_weight() -> None:
    """Truth: by hand: 2^(1/2) is below 3^(1/2). Without weights, (2 * 2)^(1/3) is above 3^(1/3)."""
    fast, slow, late = (1.0, 0.95, 1.0), (2.0, 0.95, 1.0), (3.0, 0.95, 1.0)
    clock = Clock(
        {
            "a": dict(zip(KEYS, (fast, fast, late), strict=True)),
            "b": dict(zip(KEYS, (fast, fast, late), strict=True)),
            "slow": dict(zip(KEYS, (slow, slow, fast), strict=True)),
        }
    )
    for key in KEYS[:2]:
        for name in ("a", "b"):
            clock.asked[name, key] = 2
    for name in clock.times:
        clock.asked[name, KEYS[2]] = 2
    settle_kind(clock.field(*KEYS), clock.measure)
    assert clock.timed("slow", KEYS)


def test_who_takes_long_by_rows_alone_is_never_called() -> None:
    """Truth: by hand. b is called once, since its calls take too long, and c never."""
    key = KEYS[0]
    clock = Clock(
        {
            "a": {key: (1.0, 0.5, 0.5)},
            "rival": {key: (2.0, 0.5, 0.5)},
            "b": {key: (9.0, 0.5, 0.1)},
            "c": {key: (9.0, 0.9, 0.9)},
        }
    )
    settle(clock.field(key), clock.measure, {key: 1.0})
    assert clock.asked == {("a", key): 2, ("rival", key): 2, ("b", key): 1}
