"""Checkpoint schedules: which states to keep where memory is short, and which steps to take again.

Binomial checkpointing (Griewank and Walther 2000, Revolve) where the number of steps is known, and
dynamic checkpointing (Wang, Moin and Iaccarino 2009) where it is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from math import comb, inf
from typing import Literal, NamedTuple, Self


class Action(NamedTuple):
    """`step` forward, `reverse` the step that begins here, or `keep` or `load` slot `slot`."""

    kind: Literal["step", "reverse", "keep", "load"]
    slot: int = -1


def split(steps: int, states: int) -> int:
    """Return the number of steps after which to keep another state; `states` may be held in all.

    This is one of the binomial choices of Griewank and Walther (2000), all of which are optimal:
    with r repetitions, `states` reach over comb(states + r, r) steps.
    """
    r = 0
    while comb(states + r, states) < steps:
        r += 1
    return min(comb(states + r - 1, states), steps - comb(states + r - 2, states - 1))


def reversal(steps: int, slot: int, free: tuple[int, ...]) -> Iterator[Action]:
    """Yield the actions that reverse `steps` steps, the last first, from a state in slot `slot`."""
    if not steps:
        return
    if not free or steps == 1:
        for taken in reversed(range(steps)):
            yield Action("load", slot)
            yield from [Action("step")] * taken
            yield Action("reverse")
        return
    kept = split(steps, len(free) + 1)
    yield Action("load", slot)
    yield from [Action("step")] * kept
    yield Action("keep", free[0])
    yield from reversal(steps - kept, free[0], free[1:])
    yield from reversal(kept, slot, free)


@cache
def steps_led_on(steps: int, free: int) -> int:
    """Count the actions `step` of a `reversal` that has `free` slots, without listing them."""
    if not free or steps <= 1:
        return steps * (steps - 1) // 2
    kept = split(steps, free + 1)
    return kept + steps_led_on(steps - kept, free - 1) + steps_led_on(kept, free)


@dataclass
class Placement:
    """The slots of a first sweep: `held` maps each to the number of steps before its state.

    The number of `steps` is known in advance, and states are kept at the binomial places of the
    reversal itself.
    """

    states: int
    steps: int
    held: dict[int, int] = field(default_factory=lambda: {0: 0})
    _next: int = field(init=False)

    def __post_init__(self) -> None:
        self._next = self._after(0)

    @classmethod
    def whole(cls, states: int, steps: int) -> Self:
        """Return the placement as it is after the first sweep."""
        placement = cls(states, steps)
        for step in range(1, steps):
            placement.slot(step)
        return placement

    def taken_again(self) -> int:
        """Count the steps of the reversal that only lead to those reversed."""
        end, free, total = self.steps, self.states - len(self.held), 0
        for begin in sorted(self.held.values(), reverse=True):
            total += steps_led_on(end - begin, free)
            end, free = begin, free + 1
        return total

    def slot(self, step: int) -> int | None:
        """Return the slot for the state after `step` steps, if any; ask for each step in turn."""
        if step != self._next or len(self.held) == self.states:
            return None
        slot = len(self.held)
        self.held[slot] = step
        self._next = self._after(step)
        return slot

    def _after(self, step: int) -> int:
        left, states = self.steps - step, self.states - len(self.held) + 1
        return step + split(left, states) if left > 1 and states > 1 else self.steps

    def reversal(self, steps: int) -> Iterator[Action]:
        """Yield the actions that reverse all steps; a slot is free once its steps are reversed."""
        end, free = steps, tuple(slot for slot in range(self.states) if slot not in self.held)
        for slot in sorted(self.held, key=lambda slot: -self.held[slot]):
            yield from reversal(end - self.held[slot], slot, free)
            end, free = self.held[slot], (*free, slot)


@dataclass
class OnlinePlacement(Placement):
    """The slots of a first sweep whose number of steps is not known in advance.

    This is the dynamic checkpointing of Wang, Moin and Iaccarino (2009), Algorithm 1: a state is
    dispensable if one of a higher level comes after it, and where none is, the latest moves on and
    up a level. The first state stays.
    """

    steps: int = 0
    _levels: dict[int, float] = field(default_factory=lambda: {0: inf})

    def slot(self, step: int) -> int | None:
        level = 0.0
        if self.states == 1:
            return None
        if len(self.held) < self.states:
            slot = len(self.held)
        elif (found := self._dispensable()) is not None:
            slot = found
        else:
            slot = max(self.held, key=lambda slot: self.held[slot])
            level = self._levels[slot] + 1
        self.held[slot], self._levels[slot] = step, level
        return slot

    def _dispensable(self) -> int | None:
        highest = -1.0
        for slot in sorted(self.held, key=lambda slot: -self.held[slot]):
            if self._levels[slot] < highest:
                return slot
            highest = max(highest, self._levels[slot])
        return None
