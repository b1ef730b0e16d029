"""Which states to keep where memory is short, and which steps to take again: pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import comb, inf
from typing import Literal, NamedTuple, Self


class Action(NamedTuple):
    """`step` forward, `reverse` the step that begins here, or `keep` or `load` slot `slot`."""

    kind: Literal["step", "reverse", "keep", "load"]
    slot: int = -1


def split(steps: int, states: int) -> int:
    """After how many steps to keep another state, if `states` may be held, the first among them.

    One of the binomial choices of Griewank and Walther (2000), all of which are optimal: with r
    repetitions, `states` reach over comb(states + r, r) steps.
    """
    r = 0
    while comb(states + r, states) < steps:
        r += 1
    return min(comb(states + r - 1, states), steps - comb(states + r - 2, states - 1))


def reversal(steps: int, slot: int, free: tuple[int, ...]) -> Iterator[Action]:
    """Reverse so many steps, the last first, from a state that slot `slot` holds."""
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


@dataclass
class Placement:
    """Where a first sweep keeps its states: `held` has the step at which each slot's was taken.

    With so many `steps` known in advance, at the binomial places of the reversal itself.
    """

    states: int
    steps: int
    held: dict[int, int] = field(default_factory=lambda: {0: 0})
    _next: int = field(init=False)

    def __post_init__(self) -> None:
        self._next = self._after(0)

    @classmethod
    def whole(cls, states: int, steps: int) -> Self:
        """As it is after the first sweep."""
        placement = cls(states, steps)
        for step in range(1, steps):
            placement.slot(step)
        return placement

    def taken_again(self) -> int:
        """Steps of the reversal that only lead to those reversed."""
        return sum(action.kind == "step" for action in self.reversal(self.steps))

    def slot(self, step: int) -> int | None:
        """Where to keep the state after `step` steps, if at all; asked of each step in turn."""
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
        """Reverse all steps: from the latest state kept to the first, each slot free once done."""
        end, free = steps, tuple(slot for slot in range(self.states) if slot not in self.held)
        for slot in sorted(self.held, key=lambda slot: -self.held[slot]):
            yield from reversal(end - self.held[slot], slot, free)
            end, free = self.held[slot], (*free, slot)


@dataclass
class OnlinePlacement(Placement):
    """The same while nobody knows how many steps there will be.

    The dynamic checkpointing of Wang, Moin and Iaccarino (2009), Algorithm 1: a state is
    dispensable if one of a higher level comes after it, and where none is, the latest moves on and
    up a level. The first stays.
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
