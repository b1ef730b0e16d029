"""The parts of a count made by hand: the steps that were seen, and the formula."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

N = 7
"""Fixed steps each way."""
D, P = 2, 6
"""States and parameters of the LQR."""


@dataclass
class Log:
    """Steps that were tried and accepted, seen by the step control; [0] forward, [1] back.

    Those of solving forward again on the way back are left out. `intervals` are those of a
    quadrature that controls its own error.
    """

    attempts: list[int] = field(default_factory=lambda: [0])
    accepted: list[int] = field(default_factory=lambda: [0])
    steps: list[int] = field(default_factory=list)
    """The accepted steps of each sample, as the estimate has them."""
    intervals: int = 0
    sweeps: list[int] = field(default_factory=lambda: [0, 0])
    """Sweeps of Picard's iteration on all of its nodes, after the first such, each way."""
    halved: int = 0
    """Intervals over which a quadrature asked for another node."""


class Count(NamedTuple):
    """Calls of the oracles; a Jacobian is D of them."""

    f: int
    vjp: int
    jac: int = 0


ByHand = Callable[[Log], Count]
