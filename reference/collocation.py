"""Discretise first: Gauss-Legendre collocation and the exact adjoint of its steps."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from reference.quadrature import butcher, extrapolation, gauss
from reference.solution import NotSolved, Solution
from systems import Array, Factors, Problem

STAGES = 8
_ITERATIONS = 100
_ROUNDING = 2 * np.finfo(float).eps
_STAGNATED = 1e-11
"""A relative change below which a fixed-point iteration that no longer shrinks is at rounding."""
_CHUNK = 256
"""Nodes whose theta-cotangents wait to be contracted together."""

Byproduct = TypeVar("Byproduct")


@dataclass(frozen=True)
class _Step:
    """One step of length h from `start`; stages are the leading axis, (stages, B, state_dim)."""

    problem: Problem
    start: float
    h: float
    stages: int

    def forward(self, x: Array, guess: Array) -> tuple[Array, tuple[Array, Array]]:
        """The stages' slopes, their states and running costs (stages, B), for x at the start."""

        def flow(slopes: Array) -> tuple[Array, tuple[Array, Array]]:
            states = x + self.h * np.tensordot(butcher(self.stages), slopes, 1)
            dx, cost = self.problem.flow(*self._rows(states))
            return dx.reshape(states.shape), (states, cost.reshape(self.stages, -1))

        return _fixed_point(flow, guess, x, self)

    def backward(self, costate: Array, states: Array, guess: Array) -> tuple[Array, Factors]:
        """The stages' pullbacks and theta-factors, for the costate at the end of the step."""
        b = gauss(self.stages)[1]
        transposed = b * butcher(self.stages).T / b[:, None]

        def pullback(pulled: Array) -> tuple[Array, Factors]:
            a = costate + self.h * np.tensordot(transposed, pulled, 1)
            lane, t, x = self._rows(states)
            gx, factors = self.problem.pullback(lane, t, x, a.reshape(x.shape), np.ones(len(x)))
            return gx.reshape(states.shape), factors

        return _fixed_point(pullback, guess, costate, self)

    def _rows(self, states: Array) -> tuple[Array, Array, Array]:
        """Lane, time and state of each row of all stages, one stage after the other."""
        lanes = states.shape[1]
        t = self.start + self.h * gauss(self.stages)[0]
        return (
            np.tile(np.arange(lanes), self.stages),
            np.repeat(t, lanes),
            states.reshape(-1, states.shape[2]),
        )


def collocation(problem: Problem, x0: Array, steps: int, stages: int = STAGES) -> Solution:
    """Loss and gradient of x0 (B, state_dim) discretised with `steps` equal steps a smooth segment.

    The method has order 2 `stages`. The adjoint is that of the discrete loss, exactly: with stage
    cotangents h b_i a_i it is a_i = l + h sum_j (b_j A_ji / b_i) g_j, where g_j is the pullback of
    a_j at stage j and l the cotangent at the step's end (Sanz-Serna, "Symplectic Runge-Kutta
    schemes for adjoint equations", SIAM Review 58, 2016). Both stage systems, forward and
    transposed, are solved by fixed-point iteration to rounding.

    Raises NotSolved if an iteration does not converge: the steps are too long for the problem.
    """
    segments = []
    for a, b in pairwise(problem.segments):
        h = (b - a) / steps
        segments.append([_Step(problem, a + number * h, h, stages) for number in range(steps)])
    # A step too long overflows before it is found out.
    with np.errstate(over="ignore", invalid="ignore"):
        x, states, loss = _forward(segments, x0)
        grad_x0, grad_theta = _backward(segments, problem.terminal_gradient(x), states)
    return Solution(loss + problem.terminal(x), grad_x0, grad_theta)


def _forward(segments: list[list[_Step]], x0: Array) -> tuple[Array, list[Array], Array]:
    """x(T), the states of each step's stages, and the integral of the running cost."""
    stages = segments[0][0].stages
    b, ahead = gauss(stages)[1], extrapolation(stages)
    x, loss, history = x0, np.zeros(len(x0)), []
    for steps in segments:
        slopes = np.zeros((stages, *x0.shape))
        for step in steps:
            slopes, (states, cost) = step.forward(x, slopes)
            history.append(states)
            loss = loss + step.h * (b @ cost)
            x = x + step.h * np.tensordot(b, slopes, 1)
            slopes = np.tensordot(ahead, slopes, 1)
    return x, history, loss


def _backward(
    segments: list[list[_Step]], terminal: Array, history: list[Array]
) -> tuple[Array, Array]:
    """dL/dx0 (B, state_dim) and dL/dtheta (B, P); empties `history`."""
    problem, stages = segments[0][0].problem, segments[0][0].stages
    b, behind = gauss(stages)[1], extrapolation(stages)[::-1, ::-1]
    costate, gradient = terminal, np.zeros((len(terminal), problem.policy.size))
    nodes: list[Factors] = []
    weights: list[float] = []
    for steps in reversed(segments):
        pulled = np.zeros((stages, *costate.shape))
        for step in reversed(steps):
            pulled, factors = step.backward(costate, history.pop(), pulled)
            costate = costate + step.h * np.tensordot(b, pulled, 1)
            pulled = np.tensordot(behind, pulled, 1)
            nodes += zip(*(np.split(factor, stages) for factor in factors), strict=True)
            weights += list(step.h * b)
            if len(nodes) >= _CHUNK or not history:
                gradient += problem.contract(nodes, np.array([weights]))[0]
                nodes, weights = [], []
    return costate, gradient


def _fixed_point(
    improve: Callable[[Array], tuple[Array, Byproduct]], guess: Array, origin: Array, step: _Step
) -> tuple[Array, Byproduct]:
    """The fixed point (stages, B, d) of `improve`, with its by-product, iterated to stagnation.

    The iterate is a derivative: what it changes is measured where it is added, at `origin` (B, d).
    """
    value, previous = guess, np.inf
    for _ in range(_ITERATIONS):
        new, byproduct = improve(value)
        size = step.h * np.abs(new).max(axis=(0, 2)) + np.abs(origin).max(axis=1)
        moved = step.h * np.abs(new - value).max(axis=(0, 2))
        change = float((moved / np.where(size > 0, size, 1)).max())
        if not np.isfinite(change):
            break
        if change <= _ROUNDING or (change <= _STAGNATED and change >= previous):
            return new, byproduct
        value, previous = new, change
    raise NotSolved(f"collocation does not converge at t = {step.start:g} with steps of {step.h:g}")
