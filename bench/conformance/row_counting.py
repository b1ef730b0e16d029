"""A problem whose system and policy count the rows they evaluate, whether or not they are paid."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradpareto.systems import Array, Policy, Problem, System
from gradpareto.systems.policy import Layers


class RowCountingSystem(System):
    """A system that counts in `rows` the rows of its dynamics, whoever evaluates them.

    A row of its pullback costs one call, as that of a simulator does, so that none is evaluated
    before it is asked for.
    """

    pullback_flows = 1

    def __init__(self, system: System, rows: Counter[str]) -> None:
        self._system, self._rows = system, rows
        for name in ("state_dim", "control_dim", "observation_dim", "horizon", "breakpoints"):
            setattr(self, name, getattr(system, name))
        self.velocity_of = system.velocity_of  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> "RowCountingSystem":
        return self

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        self._rows["dynamics"] += len(x)
        return self._system.flow(t, x, u)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        self._rows["dynamics"] += len(x)
        return self._system.pullback(t, x, u, a, c)

    def observe(self, t: Array, x: Array) -> Array:
        return self._system.observe(t, x)

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return self._system.observe_pullback(t, x, o)

    def terminal(self, x: Array) -> Array:
        return self._system.terminal(x)

    def terminal_gradient(self, x: Array) -> Array:
        return self._system.terminal_gradient(x)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return self._system.sample_x0(rng, samples)


@dataclass(frozen=True)
class RowCountingPolicy(Policy):
    """A policy that counts in `rows` the rows it is evaluated on, whoever evaluates it."""

    rows: Counter[str]

    def forward(self, layers: Layers, o: Array) -> list[Array]:
        self.rows["policy"] += len(o)
        return super().forward(layers, o)


def counting_rows(problem: Problem) -> tuple[Problem, Counter[str]]:
    """Return the problem with a system and a policy that count rows, and the count.

    The count grows with every row of "dynamics" and "policy" that is evaluated.
    """
    rows: Counter[str] = Counter()
    policy = RowCountingPolicy(problem.policy.sizes, problem.policy.activations, rows)
    return replace(problem, system=RowCountingSystem(problem.system, rows), policy=policy), rows
