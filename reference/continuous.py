"""The continuous adjoint equation (optimise, then discretise), solved tight by DOP853.

alpha' = -(dx'/dx)' alpha - dw/dx, alpha(T) = dJ/dx (Pontryagin et al., The Mathematical Theory of
Optimal Processes, 1962). Then dL/dx0 = alpha(0), and dL/dtheta is the integral of
(dx'/dtheta)' alpha + dw/dtheta.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradpareto.reference.gradient import LossAndGradient
from gradpareto.reference.ivp import TIGHT, DenseOutput, StepControl, solve_dense
from gradpareto.reference.quadrature import gauss
from gradpareto.systems import Array, Factors, Problem

NODES = 8
"""The nodes of the quadrature on each step."""


@dataclass(frozen=True)
class Trajectory:
    """The state x(t) and the costate alpha(t) of one lane, as dense outputs by smooth segment."""

    problem: Problem
    lane: int
    states: tuple[DenseOutput, ...]
    costates: tuple[DenseOutput, ...]

    def x(self, t: Array) -> Array:
        """Return x (R, state_dim) at times t (R,) inside [0, T]."""
        return self._at(self.states, t)

    def alpha(self, t: Array) -> Array:
        """Return alpha = dL/dx(t) (R, state_dim) at times t (R,) inside [0, T]."""
        return self._at(self.costates, t)

    def pullback(self, t: Array) -> Factors:
        """Return the factors of the integrand of dL/dtheta at times t (R,), a row for each."""
        rows = np.full(len(t), self.lane), t, self.x(t)
        return self.problem.pullback(*rows, self.alpha(t), np.ones(len(t)))[1]

    @property
    def meshes(self) -> list[Array]:
        """The ends of either solve's steps, (N + 1,) in each smooth segment."""
        pairs = zip(self.states, self.costates, strict=True)
        return [np.union1d(one.mesh(self.lane), two.mesh(self.lane)) for one, two in pairs]

    def _at(self, pieces: tuple[DenseOutput, ...], t: Array) -> Array:
        result = np.empty((len(t), self.problem.system.state_dim))
        inside = np.searchsorted(self.problem.segments[1:-1], t, side="right")
        for number in np.unique(inside):
            here = inside == number
            result[here] = pieces[number](np.full(here.sum(), self.lane), t[here])
        return result


def trajectories(problem: Problem, x0: Array, control: StepControl = TIGHT) -> list[Trajectory]:
    """Solve forward from x0 (B, state_dim), then backward for the costate along the dense solution.

    Each smooth segment is solved by itself. Raises NotSolved if DOP853 gives up.
    """
    segments = list(pairwise(problem.segments))
    states: list[DenseOutput] = []
    costates: list[DenseOutput] = []

    def forward(lane: Array, t: Array, x: Array) -> Array:
        return problem.flow(lane, t, x)[0]

    x = x0
    for a, b in segments:
        x, dense = solve_dense(forward, a, b, x, control)
        states.append(dense)
    alpha = problem.terminal_gradient(x)
    for (a, b), state in zip(reversed(segments), reversed(states), strict=True):

        def backward(lane: Array, t: Array, alpha: Array, state: DenseOutput = state) -> Array:
            return -problem.pullback(lane, t, state(lane, t), alpha, np.ones(len(t)))[0]

        alpha, dense = solve_dense(backward, b, a, alpha, control)
        costates.append(dense)
    dense_outputs = tuple(states), tuple(reversed(costates))
    return [Trajectory(problem, lane, *dense_outputs) for lane in range(len(x0))]


def continuous(
    problem: Problem, x0: Array, control: StepControl = TIGHT
) -> tuple[LossAndGradient, list[Trajectory]]:
    """Compute the loss and gradient of x0 (B, state_dim), and the trajectories.

    The integrals over time are Gauss quadratures along the dense solutions, on the solver's own
    steps. Raises NotSolved if DOP853 gives up on a sample.
    """
    paths = trajectories(problem, x0, control)
    losses, gradients = np.empty(len(x0)), np.empty((len(x0), problem.policy.size))
    for lane, path in enumerate(paths):
        t, weights = _mesh(path)
        x, end = path.x(t), path.x(np.array([problem.horizon]))
        losses[lane] = weights @ problem.flow(np.full(len(t), lane), t, x)[1]
        losses[lane] += problem.terminal(end)[0]
        nodes = zip(*(factor[:, None] for factor in path.pullback(t)), strict=True)
        gradients[lane] = problem.contract(list(nodes), weights[None])[0, 0]
    start = np.zeros(1)
    return LossAndGradient(
        losses, np.concatenate([p.alpha(start) for p in paths]), gradients
    ), paths


def solve_gradient(problem: Problem, x0: Array, tolerance: float) -> LossAndGradient:
    """Solve for the loss and gradient of x0 (B, state_dim) to a relative tolerance, by this alone.

    No second method confirms it, as one confirms a certified reference. A system that is not its
    own `truth` is judged by its truth. Raises NotSolved if DOP853 gives up on a sample, and
    ValueError on an x0 of the wrong shape or not finite.
    """
    problem = problem.exact
    control = StepControl(tolerance, longest=TIGHT.longest, attempts=TIGHT.attempts)
    return continuous(problem, problem.check_x0(x0).astype(float), control)[0]


def _mesh(path: Trajectory) -> tuple[Array, Array]:
    """Return the times and weights of a Gauss rule on every step of either dense solution."""
    c, b = gauss(NODES)
    edges = np.unique(np.concatenate(path.meshes))
    starts, h = edges[:-1, None], np.diff(edges)[:, None]
    return (starts + h * c).ravel(), (h * b).ravel()
