"""Reversible methods: the backward pass undoes each step instead of remembering it."""

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.mesh import inside, step_count
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array, Problem

State = tuple[Array, ...]
"""The variables that a method carries from step to step: x (B, d) is the first of them."""


@dataclass(frozen=True)
class Segment:
    """A smooth segment between two breakpoints, cut into `steps` equal steps, with its oracles."""

    problem: Problem
    lanes: Array
    left: float
    right: float
    steps: int

    @property
    def h(self) -> float:
        return (self.right - self.left) / self.steps

    def time(self, edge: float) -> Array:
        """Return the time (B,) that is `edge` steps after the segment's beginning."""
        t = np.full(len(self.lanes), self.left + edge * self.h)
        return inside(t, self.left, self.right)

    def flow(self, edge: float, x: Array) -> tuple[Array, Array]:
        return self.problem.flow(self.lanes, self.time(edge), x)

    def pull(self, edge: float, x: Array, a: Array, cost: float, theta: ThetaSum) -> Array:
        """Return the cotangent of x (B, d), and add theta's to `theta`.

        They are those for the cotangent a (B, d) of x' and the cotangent `cost` of the running
        cost.
        """
        weight = np.full(len(a), cost, a.dtype)
        gx, factors = self.problem.pullback(self.lanes, self.time(edge), x, a, weight)
        theta.add(self.lanes, factors)
        return gx


@dataclass(frozen=True, kw_only=True)
class Reversible(Estimator):
    """A method of fixed steps whose inverse is known in closed form, with its exact gradient.

    Only the last state of each segment is held between the passes, so that the bytes do not grow
    with the steps. At a breakpoint every method starts anew from x, since the variables that it
    carries beside x may jump there. Rounding errors in the undone states grow at the rate at which
    errors of a solve backward in time do.
    """

    tight: float

    @property
    def declares(self) -> Declaration:
        return Declaration(knob="step", tight=self.tight, exact=True, memory=0.0, reconstructs=True)

    @abstractmethod
    def start(self, segment: Segment, x: Array) -> State:
        """Return the state at a segment's beginning."""

    @abstractmethod
    def step(self, segment: Segment, k: int, state: State) -> tuple[State, Array]:
        """Return the state after step k of the segment, and the running cost (B,) over it."""

    @abstractmethod
    def undo(
        self, segment: Segment, k: int, state: State, cotangents: State, theta: ThetaSum
    ) -> tuple[State, State]:
        """Return the state before step k, and its cotangents, from those after it."""

    @abstractmethod
    def pull_start(
        self, segment: Segment, state: State, cotangents: State, theta: ThetaSum
    ) -> Array:
        """Return the cotangent of x (B, d) for those of the state that `start` made of it."""

    def discretised_loss(
        self, problem: Problem, lanes: Array, x0: Array, step: float
    ) -> tuple[Array, list[tuple[Segment, State]]]:
        """Return the loss (R,) of rows x0 (R, d) of `lanes` (R,), and each segment's last state.

        It is computed in the precision of x0 and theta, which may be complex.
        """
        x = x0.astype(np.result_type(x0, problem.theta), copy=False)
        loss, ends = np.zeros(len(x), x.dtype), []
        for left, right in pairwise(problem.segments):
            segment = Segment(problem, lanes, left, right, step_count(right - left, step))
            state = self.start(segment, x)
            for k in range(segment.steps):
                state, cost = self.step(segment, k, state)
                loss += cost
            ends.append((segment, state))
            x = state[0]
        return loss + problem.terminal(x), ends

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        loss, ends = self.discretised_loss(problem, np.arange(len(x0)), x0, setting)
        steps = sum(segment.steps for segment, _ in ends)
        adjoint = problem.terminal_gradient(ends[-1][1][0])
        theta = ThetaSum(problem, len(x0), adjoint.dtype)
        for segment, last in reversed(ends):
            state = last
            cotangents: State = (adjoint, *(np.zeros_like(part) for part in state[1:]))
            for k in reversed(range(segment.steps)):
                state, cotangents = self.undo(segment, k, state, cotangents, theta)
            adjoint = self.pull_start(segment, state, cotangents, theta)
        both_ways = np.full(len(x0), 2 * steps)
        return Estimate(loss, adjoint, theta.flush(), both_ways, reconstructed=state[0])
