"""States at which an iteration for the adjoint pulls cotangents back again and again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradpareto.systems import Array, Factors, Problem


@dataclass(frozen=True)
class FixedStates:
    """The states of R lanes at s times each, with the values of the policy's layers there.

    These values do not depend on the cotangents, and are made once for all of them. `lane` (R s,),
    `t` (R s,), `x` (R s, d) and the `values` (R s, m) are rows of an oracle's call.
    """

    problem: Problem
    times: int
    lane: Array
    t: Array
    x: Array
    values: Sequence[Array]

    def take(self, lanes: Array) -> "FixedStates":
        """Return those of the lanes at some positions (K,), in ascending order."""
        if len(lanes) * self.times == len(self.lane):
            return self
        rows = (self.times * lanes[:, None] + np.arange(self.times)).ravel()
        lane, t, x = self.lane[rows], self.t[rows], self.x[rows]
        values = [part[rows] for part in self.values]
        return FixedStates(self.problem, self.times, lane, t, x, values)

    def pullback(self, a: Array, c: Array) -> tuple[Array, Factors]:
        """Do what `Problem.pullback` does, for cotangents a (R, s, d) of x' and c (R s,) of w.

        The cotangents of x are (R, s, d), and the factors of those of theta (R, s, m).
        """
        rows, shape = (self.lane, self.t, self.x), a.shape
        gx, factors = self.problem.pullback(*rows, a.reshape(self.x.shape), c, self.values)
        return gx.reshape(shape), tuple(part.reshape(*shape[:2], -1) for part in factors)


def fixed_states(problem: Problem, times: int, rows: tuple[Array, Array, Array]) -> FixedStates:
    """Return the states of an oracle's rows, lane (R s,), t (R s,) and x (R s, d), at s times."""
    return FixedStates(problem, times, *rows, problem.policy_values(*rows))
