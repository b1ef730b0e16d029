"""Gauss-Legendre collocation and the exact adjoint of its steps (discretise, then optimise).

Forward, k_i = f(x + h sum_j A_ij k_j) and x <- x + h sum_i b_i k_i; the adjoint's
recurrence stands at `gauss_legendre`. Hairer, Norsett and Wanner, Solving Ordinary Differential
Equations I (1993), II.7.

The estimators have a collocation of their own. This one is written again on purpose: the truth
shares no code with what it judges.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gradpareto.reference.gradient import LossAndGradient, NotSolved
from gradpareto.reference.quadrature import butcher, combined, extrapolation, gauss
from gradpareto.reference.simplified_newton import SimplifiedNewton, jacobian
from gradpareto.systems import Array, Factors, Problem

STAGES = 8
_ITERATIONS = 40
_ROUNDING = 2 * np.finfo(float).eps
_STAGNATED = 1e-11
"""A relative change below which a fixed-point iteration that no longer shrinks is at rounding."""
_CHUNK = 256
"""The nodes whose theta-cotangents wait to be contracted together."""

Byproduct = TypeVar("Byproduct")


@dataclass(frozen=True)
class _Step:
    """One step of each lane, of length h (B,) from `start` (B,).

    Stages are the leading axis, (stages, B, state_dim).
    """

    problem: Problem
    start: Array
    h: Array
    stages: int

    def forward(
        self, x: Array, guess: Array, iteration: "_Iteration"
    ) -> tuple[Array, tuple[Array, Array]]:
        """Solve for the slopes, states and running costs (stages, B), from x at the start."""

        def flow(slopes: Array) -> tuple[Array, tuple[Array, Array]]:
            states = x + self.h[:, None] * combined(iteration.matrix, slopes)
            dx, cost = self.problem.flow(*self._rows(states))
            return dx.reshape(states.shape), (states, cost.reshape(self.stages, -1))

        return iteration.solve(flow, guess, x, self, lambda: self._jacobian(x))

    def backward(
        self, costate: Array, states: Array, guess: Array, iteration: "_Iteration"
    ) -> tuple[Array, Factors]:
        """Solve for the stages' pullbacks and theta-factors, from the costate at the end."""

        def pullback(pulled: Array) -> tuple[Array, Factors]:
            a = costate + self.h[:, None] * combined(iteration.matrix, pulled)
            lane, t, x = self._rows(states)
            gx, factors = self.problem.pullback(lane, t, x, a.reshape(x.shape), np.ones(len(x)))
            return gx.reshape(states.shape), factors

        def transposed() -> Array:
            return self._jacobian(states[self.stages // 2]).transpose(0, 2, 1)

        return iteration.solve(pullback, guess, costate, self, transposed)

    def ahead(self, values: Array, next_h: Array) -> Array:
        """Guess the values at the stages of a next step from those here, in the order of time."""
        # What is far ahead is out of the polynomial's reach.
        ratio = np.minimum(next_h, self.h) / np.maximum(self.h, np.finfo(float).tiny)
        guessed = extrapolation(self.stages, ratio) @ values.transpose(1, 0, 2)
        return guessed.transpose(1, 0, 2)

    def _rows(self, states: Array) -> tuple[Array, Array, Array]:
        """Return lane, time and state of each row of all stages, one stage after the other."""
        t = self.start + self.h * gauss(self.stages)[0][:, None]
        lane = np.tile(np.arange(states.shape[1]), self.stages)
        return lane, t.ravel(), states.reshape(-1, states.shape[2])

    def _jacobian(self, x: Array) -> Array:
        return jacobian(self.problem, self.start + 0.5 * self.h, x)


@dataclass
class _Iteration:
    """An iteration that solves stage systems value = f(start + h matrix value) to rounding.

    It is the fixed-point iteration up to the first step where that does not converge; from there on
    it is simplified Newton iteration, with the Jacobian of the last step where one was needed.
    """

    matrix: Array
    newton: SimplifiedNewton | None = None

    def solve(
        self,
        improve: Callable[[Array], tuple[Array, Byproduct]],
        guess: Array,
        origin: Array,
        step: _Step,
        jacobian: Callable[[], Array],
    ) -> tuple[Array, Byproduct]:
        """Return the fixed point (stages, B, d) of `improve`, with its by-product.

        The iterate is a derivative, so its change is measured where it is added, at `origin`.
        Raises NotSolved if the iteration does not converge.
        """
        found, open_lanes = self._iterate(improve, guess, origin, step.h)
        if found is None:
            slopes = jacobian()
            if np.isfinite(slopes).all():
                self.newton = SimplifiedNewton(self.matrix, slopes)
                found, open_lanes = self._iterate(improve, guess, origin, step.h)
        if found is None:
            t, h = step.start[open_lanes[0]], step.h[open_lanes].max()
            raise NotSolved(
                f"collocation does not converge at t = {t:g} with steps of {h:g}",
                open_lanes.tolist(),
            )
        return found

    def _iterate(
        self,
        improve: Callable[[Array], tuple[Array, Byproduct]],
        value: Array,
        origin: Array,
        h: Array,
    ) -> tuple[tuple[Array, Byproduct] | None, Array]:
        """Return the fixed point with its by-product, or None and the lanes that are not there."""
        previous = np.inf
        for _ in range(_ITERATIONS):
            new, byproduct = improve(value)
            if self.newton:
                new = value + self.newton(new - value, h)
            size = h * np.abs(new).max(axis=(0, 2)) + np.abs(origin).max(axis=1)
            moved = h * np.abs(new - value).max(axis=(0, 2))
            changes = moved / np.where(size > 0, size, 1)
            change = float(changes.max())
            if not np.isfinite(change):
                return None, np.flatnonzero(~np.isfinite(changes))
            if change <= _ROUNDING or (change <= _STAGNATED and change >= previous):
                return (new, byproduct), np.empty(0, int)
            value, previous = new, change
        return None, np.flatnonzero(changes > _ROUNDING)


def gauss_legendre(
    problem: Problem, x0: Array, meshes: Sequence[Array], stages: int = STAGES
) -> LossAndGradient:
    """Compute the loss and gradient of x0 (B, state_dim), discretised on `meshes`.

    Each smooth segment has a mesh. A mesh holds the ends of its steps, (N + 1,), or (B, N + 1) for
    each lane its own.

    The method has order 2 `stages`. The adjoint is that of the discrete loss, exactly: with stage
    cotangents h b_i a_i it is a_i = l + h sum_j (b_j A_ji / b_i) g_j, where g_j is the pullback of
    a_j at stage j and l the cotangent at the step's end (Sanz-Serna, "Symplectic Runge-Kutta
    schemes for adjoint equations", SIAM Review 58, 2016). Both stage systems, forward and
    transposed, are solved by iteration to rounding.

    Raises NotSolved if an iteration does not converge: the steps are too long for the problem.
    """
    segments = []
    for mesh in meshes:
        edges = np.broadcast_to(mesh, (len(x0), np.shape(mesh)[-1])).T
        pairs = zip(edges, np.diff(edges, axis=0), strict=False)
        segments.append([_Step(problem, start, h, stages) for start, h in pairs])
    # A step too long overflows before it is found out.
    with np.errstate(over="ignore", invalid="ignore"):
        x, states, loss = _forward(segments, x0)
        grad_x0, grad_theta = _backward(segments, problem.terminal_gradient(x), states)
    return LossAndGradient(loss + problem.terminal(x), grad_x0, grad_theta)


def _forward(segments: list[list[_Step]], x0: Array) -> tuple[Array, list[Array], Array]:
    """Return x(T), the states of each step's stages, and the integral of the running cost."""
    stages = segments[0][0].stages
    b, iteration = gauss(stages)[1], _Iteration(butcher(stages))
    x, loss, history = x0, np.zeros(len(x0)), []
    for steps in segments:
        slopes, before = np.zeros((stages, *x0.shape)), steps[0]
        for step in steps:
            guess = before.ahead(slopes, step.h)
            slopes, (states, cost) = step.forward(x, guess, iteration)
            history.append(states)
            loss = loss + step.h * (b @ cost)
            x = x + step.h[:, None] * combined(b, slopes)
            before = step
    return x, history, loss


def _backward(
    segments: list[list[_Step]], terminal: Array, history: list[Array]
) -> tuple[Array, Array]:
    """Return dL/dx0 (B, state_dim) and dL/dtheta (B, P); this empties `history`."""
    problem, stages = segments[0][0].problem, segments[0][0].stages
    b = gauss(stages)[1]
    iteration = _Iteration(b * butcher(stages).T / b[:, None])
    costate, gradient = terminal, np.zeros((len(terminal), problem.policy.size))
    nodes: list[Factors] = []
    weights: list[Array] = []
    for steps in reversed(segments):
        pulled, after = np.zeros((stages, *costate.shape)), steps[-1]
        for step in reversed(steps):
            # Backward in time, the stages are in the opposite order.
            guess = after.ahead(pulled[::-1], step.h)[::-1]
            pulled, factors = step.backward(costate, history.pop(), guess, iteration)
            costate = costate + step.h[:, None] * combined(b, pulled)
            after = step
            nodes += zip(*(np.split(factor, stages) for factor in factors), strict=True)
            weights += list(b[:, None] * step.h)
            if len(nodes) >= _CHUNK or not history:
                gradient += problem.contract(nodes, np.array([weights]))[0]
                nodes, weights = [], []
    return costate, gradient
