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


def fixed_states(problem: Problem, lane: Array, t: Array, x: Array) -> FixedStates:
    """Return the states x (R, s, d) of some lanes (R,), at s times t (R, s) or (s,)."""
    times = x.shape[1]
    each, own = lane.repeat(times), t if t.ndim == 2 else t[None].repeat(len(lane), axis=0)
    rows = each, own.reshape(-1), x.reshape(len(each), -1)
    return FixedStates(problem, times, *rows, problem.policy_values(*rows))
