"""A method of a system as one function of rows, whose derivatives are made."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.systems.derive.filled_arrays import filled_like
from gradpareto.systems.system import Array


@dataclass(frozen=True)
class RowFunction:
    """The method `name` of `system`: inputs (R, n) to outputs (R, m), both side by side.

    `flow` takes the states and the controls, and returns x' and the running cost; `observe` and
    `terminal` take the states.
    """

    system: Any
    name: str
    state_dim: int

    def __call__(self, context: Array | None, t: Array, z: Array) -> Array:
        """Return the outputs (R, m) at times t (R,), in contexts (R, context_dim) or None."""
        system = self.system if context is None else self.system.within(context)
        found: Array
        with filled_like(self.system, z):
            if self.name == "flow":
                x_dot, cost = system.flow(t, z[:, : self.state_dim], z[:, self.state_dim :])
                found = np.concatenate([x_dot, cost[:, None]], axis=1)
            elif self.name == "observe":
                found = system.observe(t, z)
            else:
                found = system.terminal(z)[:, None]
        return found


@dataclass(frozen=True)
class Rows:
    """R rows at which a function is called: contexts (R, context_dim) or None, t (R,), z (R, n)."""

    context: Array | None
    t: Array
    z: Array


class Untraceable(Exception):  # noqa: N818
    """A function does what a derivative maker cannot follow; the message says what."""
