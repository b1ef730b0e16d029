"""The contract of a peer: an estimator that computes with another library and a port."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.estimators import Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem

Gradients = Callable[[Array, float], Estimate]
"""A function of initial states (B, state_dim) and the setting."""


class Oracles:
    """The problem that a library calls back for each evaluation of one sample's dynamics.

    It stands between a library, which compiles its calls once, and a metered problem, which is
    another one for each estimate.
    """

    def __init__(self) -> None:
        self.problem: Problem | None = None

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
        return np.zeros(1, dtype=int), np.zeros(1), np.array([x])

    def _asked(self) -> Problem:
        assert self.problem is not None
        return self.problem


@dataclass(frozen=True)
class Ready(Estimator):
    """A peer that is compiled for one problem and one number of samples.

    It took `compile_s` seconds, and its call holds `peak_bytes` at most, as far as the library
    tells (else NaN). With `oracles`, it calls back the problem that it is given.
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
        if self.oracles is not None:
            self.oracles.problem = problem
        return self.gradients(x0, setting)


class Peer(Estimator):
    """A method of another library, which differentiates a port of the problem in its own way."""

    @abstractmethod
    def ready(self, problem: Problem, samples: int, oracles: Oracles | None = None) -> Ready:
        """Compile it for a problem and a number of samples, 1 if it calls back `oracles`.

        Raises ValueError if the problem's system has no port.
        """

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        return self.ready(problem, len(x0))(problem, x0, setting)
