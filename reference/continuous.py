"""Optimise first: the continuous adjoint equation, solved tight by SciPy's DOP853."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import OdeSolution

from reference.ivp import solve_tight
from reference.quadrature import gauss
from reference.solution import Solution
from systems import Array, Factors, Problem

_NODES = 8
"""Of the quadrature on each step."""


@dataclass(frozen=True)
class Trajectory:
    """The state x(t) and the costate alpha(t) of one sample, as dense outputs by smooth segment."""

    problem: Problem
    states: tuple[OdeSolution, ...]
    costates: tuple[OdeSolution, ...]

    def x(self, t: Array) -> Array:
        """x (R, state_dim) at times t (R,) inside [0, T]."""
        return self._at(self.states, t)

    def alpha(self, t: Array) -> Array:
        """alpha = dL/dx(t) (R, state_dim) at times t (R,) inside [0, T]."""
        return self._at(self.costates, t)

    def pullback(self, t: Array) -> Factors:
        """Factors of the integrand of dL/dtheta at times t (R,), one row each."""
        rows = np.zeros(len(t), dtype=int), t, self.x(t)
        return self.problem.pullback(*rows, self.alpha(t), np.ones(len(t)))[1]

    def _at(self, pieces: tuple[OdeSolution, ...], t: Array) -> Array:
        result = np.empty((len(t), self.problem.system.state_dim))
        inside = np.searchsorted(self.problem.segments[1:-1], t, side="right")
        for number in np.unique(inside):
            here = inside == number
            result[here] = pieces[number](t[here]).T
        return result


def trajectory(problem: Problem, x0: Array) -> Trajectory:
    """Solve forward from x0 (state_dim,), then backward for the costate along the dense solution.

    alpha' = -(dx'/dx)' alpha - dw/dx, alpha(T) = dJ/dx (Pontryagin). Each smooth segment is solved
    by itself.

    Raises NotSolved if SciPy gives up.
    """
    lane, one = np.zeros(1, dtype=int), np.ones(1)
    segments = list(pairwise(problem.segments))
    states: list[OdeSolution] = []
    costates: list[OdeSolution] = []

    def forward(t: float, x: Array) -> Array:
        return problem.flow(lane, np.array([t]), x[None])[0][0]

    x = x0
    for a, b in segments:
        states.append(solve_tight(forward, a, b, x, dense=True).sol)
        x = states[-1](b)
    alpha = problem.terminal_gradient(x[None])[0]
    for (a, b), state in zip(reversed(segments), reversed(states), strict=True):

        def backward(t: float, alpha: Array, state: OdeSolution = state) -> Array:
            rows = lane, np.array([t]), state(t)[None]
            return -problem.pullback(*rows, alpha[None], one)[0][0]

        costates.append(solve_tight(backward, b, a, alpha, dense=True).sol)
        alpha = costates[-1](a)
    return Trajectory(problem, tuple(states), tuple(reversed(costates)))


def continuous(problem: Problem, x0: Array) -> tuple[Solution, list[Trajectory]]:
    """Loss and gradient of x0 (B, state_dim), sample by sample, and their trajectories.

    The integrals over time are Gauss quadratures along the dense solutions, on the solver's own
    steps. Raises NotSolved if SciPy gives up on a sample.
    """
    paths = [trajectory(problem.take(np.array([k])), x) for k, x in enumerate(x0)]
    losses, gradients = np.empty(len(x0)), np.empty((len(x0), problem.policy.size))
    for number, path in enumerate(paths):
        t, weights = _mesh(path)
        x, end = path.x(t), path.x(np.array([problem.horizon]))
        losses[number] = weights @ problem.flow(np.zeros(len(t), dtype=int), t, x)[1]
        losses[number] += problem.terminal(end)[0]
        nodes = zip(*(factor[:, None] for factor in path.pullback(t)), strict=True)
        gradients[number] = problem.contract(list(nodes), weights[None])[0, 0]
    start = np.zeros(1)
    return Solution(losses, np.concatenate([p.alpha(start) for p in paths]), gradients), paths


def _mesh(path: Trajectory) -> tuple[Array, Array]:
    """Times and weights of a Gauss rule on every step of either dense solution."""
    c, b = gauss(_NODES)
    edges = np.unique(np.concatenate([piece.ts for piece in path.states + path.costates]))
    starts, h = edges[:-1, None], np.diff(edges)[:, None]
    return (starts + h * c).ravel(), (h * b).ravel()
