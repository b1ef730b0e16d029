"""Checkpoint schedules: legal, within their budget, and with the fewest steps taken again."""

from collections.abc import Iterator
from functools import cache
from math import comb

import pytest

from gradpareto.estimators.solvers.reverse.schedules import (
    Action,
    OnlinePlacement,
    Placement,
    reversal,
)


@cache
def optimum(steps: int, states: int) -> int:
    """By dynamic programming over where the next state is kept, the first sweep included."""
    if steps == 1:
        return 0
    if states == 1:
        return steps * (steps - 1) // 2
    return min(m + optimum(steps - m, states - 1) + optimum(m, states) for m in range(1, steps))


def followed(actions: Iterator[Action], held: dict[int, int], states: int) -> tuple[int, list[int]]:
    """A machine that does as it is told: steps taken, and the steps reversed in their order."""
    at, stepped, reversed_ = -1, 0, []
    for action in actions:
        if action.kind == "load":
            at = held[action.slot]
        elif action.kind == "keep":
            assert 0 <= action.slot < states
            held[action.slot] = at
        elif action.kind == "step":
            at, stepped = at + 1, stepped + 1
        else:
            reversed_.append(at)
    return stepped, reversed_


@pytest.mark.parametrize("states", [1, 2, 3, 5, 8])
def test_a_reversal_is_legal_and_optimal(states: int) -> None:
    """Truth: the machine, dynamic programming, and the closed form (Griewank and Walther 2000)."""
    for steps in range(1, 80):
        told = reversal(steps, 0, tuple(range(1, states)))
        stepped, reversed_ = followed(told, {0: 0}, states)
        assert reversed_ == list(range(steps))[::-1]
        r = next(r for r in range(steps) if comb(states + r, states) >= steps)
        closed = r * steps - (comb(states + r, states + 1) if r else 0)
        assert stepped == optimum(steps, states) == closed


@pytest.mark.parametrize("states", [1, 2, 3, 8])
def test_a_sweep_of_known_length_keeps_what_the_reversal_would(states: int) -> None:
    """Truth: together, up to the last state kept, they take the optimum's number of steps."""
    for steps in range(1, 80):
        places = Placement.whole(states, steps)
        last = max(places.held.values())
        stepped, reversed_ = followed(places.reversal(steps), dict(places.held), states)
        assert reversed_ == list(range(steps))[::-1]
        assert last + stepped == optimum(steps, states)
        assert places.taken_again() == stepped


@pytest.mark.parametrize("states", [2, 4, 8])
def test_a_sweep_of_unknown_length_costs_at_most_one_repetition_more(states: int) -> None:
    """Truth: the machine, and the optimum for a number of steps that is known."""
    for steps in range(1, 150):
        places = OnlinePlacement(states)
        for step in range(1, steps):
            slot = places.slot(step)
            assert slot is not None
            assert 0 < slot < states
        assert places.held[0] == 0
        stepped, reversed_ = followed(places.reversal(steps), dict(places.held), states)
        assert reversed_ == list(range(steps))[::-1]
        assert steps + stepped <= optimum(steps, states) + steps
        assert OnlinePlacement.whole(states, steps).taken_again() == stepped
