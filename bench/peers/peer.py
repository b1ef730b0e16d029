"""The contract of a peer: an estimator that computes with another library and a port."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.estimators import Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem

Gradients = Callable[[Array, float], Estimate]
"""A function of initial states (B, state_dim) and the setting."""


class Oracles:
    """The oracles that a library calls back, for each evaluation of one lane's dynamics.

    They stand between a library, which compiles its calls once, and a metered problem, which is
    another one for each estimate.
    """

    def __init__(self) -> None:
        self.problem: Problem | None = None
        self.lane = 0

    def flow(self, x: Any) -> tuple[Array, Array]:
        """Return x' (d,) and the running cost (), of a state x (d,)."""
        dx, w = self._asked().flow(*self._row(x))
        return dx[0], w[0]

    def pullback(self, x: Any, a: Any, c: Any) -> tuple[Array, Array]:
        """Return the cotangents of theta (P,) and of a state x (d,), for those of `flow`."""
        problem, one = self._asked(), np.ones((1, 1))
        gx, factors = problem.pullback(*self._row(x), np.array([a]), np.array([c]).reshape(1))
        return problem.contract([factors], one)[0, 0], gx[0]

    def _row(self, x: Any) -> tuple[Array, Array, Array]:
        return np.array([self.lane]), np.zeros(1), np.array([x])

    def _asked(self) -> Problem:
        assert self.problem is not None
        return self.problem


@dataclass(frozen=True)
class Ready(Estimator):
    """A peer that is compiled for one problem and one number of samples.

    It took `compile_s` seconds, and its call holds `peak_bytes` at most, as far as the library
    tells (else NaN). With `oracles` it calls back the problem that it is given, for each lane.
    """

    declared: Declaration
    gradients: Gradients
    compile_s: float
    peak_bytes: float
    oracles: Oracles | None = None

    @property
    def declares(self) -> Declaration:
        return self.declared

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        oracles = self.oracles
        if oracles is None:
            return self.gradients(x0, setting)
        found, oracles.problem = [], problem
        for lane, row in enumerate(x0):
            oracles.lane = lane
            found.append(self.gradients(row[None], setting))
        return _joined(found)


class Peer(Estimator):
    """A method of another library, which differentiates a port of the problem in its own way.

    Called as an estimator it calls the problem's own oracles back, one lane after the other, so
    that whoever counts the calls counts what the library evaluates. It compiles first, each time:
    only the time of what is `ready` is the library's.
    """

    @abstractmethod
    def ready(self, problem: Problem, samples: int, oracles: Oracles | None = None) -> Ready:
        """Compile it for a problem and a number of samples, 1 if it calls back `oracles`.

        Raises ValueError if the problem's system has no port.
        """

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        return self.ready(problem, 1, Oracles())(problem, x0, setting)


def _joined(lanes: Sequence[Estimate]) -> Estimate:
    """Join the estimates of one lane each."""
    names = ("loss", "grad_x0", "grad_theta", "steps")
    failed = {lane: one.failed[0] for lane, one in enumerate(lanes) if one.failed}
    parts = {name: np.concatenate([getattr(one, name) for one in lanes]) for name in names}
    return Estimate(**parts, failed=failed)
