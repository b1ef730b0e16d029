"""Adjoint-first estimators that run a solver of one ODE, SciPy's or a user's, lane by lane.

They solve the equations of `ctpg`, `gauss_adjoint` and `neural_ode`.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.per_lane.adaptive_quadrature import integrate
from gradpareto.estimators.solvers.per_lane.solver import (
    LaneRightHandSide,
    LaneSolver,
    SegmentSolution,
    SolveFailed,
)
from gradpareto.systems import Array, Problem

Segment = tuple[float, float, SegmentSolution]
"""Its ends, and the solution of (x, cost) between them."""


@dataclass(frozen=True)
class PerLaneEstimator(Estimator):
    """The parts that estimators over a solver share.

    Everything is computed in float64, whatever x0 and theta are.
    """

    solver: LaneSolver
    tight: float = 1e-9

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            follows_dtype=False,
            per_lane=True,
            stiff=self.solver.stiff,
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        if not 0 < setting < np.inf:
            raise ValueError(f"a tolerance must be positive and finite, not {setting}")
        lanes = [_Lane(problem, lane, self.solver, setting) for lane in range(len(x0))]
        rows = [self._attempt(lane, x) for lane, x in zip(lanes, x0, strict=True)]
        loss, grad_x0, grad_theta, start = (np.stack(part) for part in zip(*rows, strict=True))
        failed = {lane.index: lane.failure for lane in lanes if lane.failure}
        steps = np.array([lane.steps for lane in lanes])
        found = start if self.declares.reconstructs else None
        return Estimate(loss, grad_x0, grad_theta, steps, failed, found)

    def _attempt(self, lane: "_Lane", x0: Array) -> tuple[Array, Array, Array, Array]:
        try:
            return self._gradient(lane, x0)
        except SolveFailed as error:
            lane.failure = str(error)
            states, parameters = (np.full(n, np.nan) for n in (len(x0), lane.parameters))
            return np.array(np.nan), states, parameters, states

    @abstractmethod
    def _gradient(self, lane: "_Lane", x0: Array) -> tuple[Array, Array, Array, Array]:
        """Return the loss (), dL/dx0 (d,), dL/dtheta (P,), and x(0) (d,) as found going backward.

        Raises SolveFailed where the solver gives up.
        """


class PerLaneCtpg(PerLaneEstimator):
    """The paper's Algorithm 1: the parameter gradient is part of the backward solve's state.

    The running cost is a component of the forward state. Over SciPy's solvers it is an independent
    check of this project's engine.
    """

    @property
    def declares(self) -> Declaration:
        return replace(
            super().declares, source="Ainsworth et al. 2021, Alg. 1, over a solver of one lane"
        )

    def _gradient(self, lane: "_Lane", x0: Array) -> tuple[Array, Array, Array, Array]:
        x_end, loss, legs = lane.forward(x0, dense=True)
        width = len(x0)
        adjoint = np.append(lane.problem.terminal_gradient(x_end)[0], np.zeros(lane.parameters))
        while legs:
            left, right, forward = legs.pop()

            def backward(t: Array, y: Array, forward: SegmentSolution = forward) -> Array:
                gx, g = lane.pull(t, lane.state(forward, t), y[None, :width])
                return -np.concatenate([gx, g])

            adjoint = lane.solve(backward, right, left, adjoint, width, dense=False).end
            forward.verify()
        return loss, adjoint[:width], adjoint[width:], x0


class PerLaneGaussAdjoint(PerLaneEstimator):
    """Solve backward for the adjoint alone, then integrate the parameter gradient.

    The quadrature has three Gauss nodes in each step of the adjoint, along both dense outputs, and
    more where these are not enough.
    """

    @property
    def declares(self) -> Declaration:
        return replace(
            super().declares, source="Norcliffe and Deisenroth 2023, Gauss-Legendre adjoint"
        )

    def _gradient(self, lane: "_Lane", x0: Array) -> tuple[Array, Array, Array, Array]:
        x_end, loss, legs = lane.forward(x0, dense=True)
        adjoint, total = lane.problem.terminal_gradient(x_end)[0], np.zeros(lane.parameters)
        while legs:
            left, right, forward = legs.pop()

            def backward(t: Array, y: Array, forward: SegmentSolution = forward) -> Array:
                lane_, x, one = lane.lane, lane.state(forward, t), np.ones(1)
                gx: Array = lane.problem.pullback(lane_, t, x, y[None], one)[0][0]
                return -gx

            leg = lane.solve(backward, right, left, adjoint, len(x0), dense=True)
            adjoint = leg.end
            edges = np.array([left, right]) if leg.times is None else leg.times[::-1]
            total += integrate(lane.problem, lane.index, (forward, leg), edges, lane.tolerance)
            forward.verify()
            leg.verify()
        return loss, adjoint, total, x0


class PerLaneBacksolve(PerLaneEstimator):
    """The state is integrated again, backward, beside the adjoint and the parameter gradient.

    Nothing is stored; errors grow as they do in `neural_ode`.
    """

    @property
    def declares(self) -> Declaration:
        return replace(
            super().declares,
            memory=0.0,
            reconstructs=True,
            source="Chen et al. 2018, Algorithm 1",
        )

    def _gradient(self, lane: "_Lane", x0: Array) -> tuple[Array, Array, Array, Array]:
        x_end, loss, _ = lane.forward(x0, dense=False)
        width, parameters = len(x0), np.zeros(lane.parameters)
        both = np.concatenate([x_end[0], lane.problem.terminal_gradient(x_end)[0], parameters])

        def backward(t: Array, y: Array) -> Array:
            x = y[None, :width]
            slope, _ = lane.problem.flow(lane.lane, t, x)
            gx, g = lane.pull(t, x, y[None, width : 2 * width])
            return np.concatenate([slope[0], -gx, -g])

        for right, left in pairwise(reversed(lane.problem.segments)):
            both = lane.solve(backward, right, left, both, 2 * width, dense=False).end
        return loss, both[width : 2 * width], both[2 * width :], both[:width]


class _Lane:
    """One sample of a batch, with the steps that its solves took and the reason if one failed."""

    def __init__(self, problem: Problem, index: int, solver: LaneSolver, tolerance: float) -> None:
        self.problem, self.index, self.solver, self.tolerance = problem, index, solver, tolerance
        self.lane, self.steps, self.failure = np.array([index]), 0, ""
        self.parameters = problem.policy.size

    def forward(self, x0: Array, dense: bool) -> tuple[Array, Array, list[Segment]]:
        """Solve from x0, and return x(T) (1, d), the loss, and the segments' ends and solutions.

        The solutions are those of (x, cost); they are returned if `dense`.
        """
        width = len(x0)

        def flow(t: Array, y: Array) -> Array:
            slope, cost = self.problem.flow(self.lane, t, y[None, :-1])
            return np.append(slope[0], cost)

        state, legs = np.append(x0, 0.0), []
        for left, right in pairwise(self.problem.segments):
            leg = self.solve(flow, left, right, state, len(state), dense)
            state = leg.end
            if dense:
                legs.append((left, right, leg))
        x_end = state[None, :width]
        return x_end, state[width] + self.problem.terminal(x_end)[0], legs

    def state(self, forward: SegmentSolution, t: Array) -> Array:
        """Return x(t) (1, d) from the forward solution of (x, cost)."""
        assert forward.at is not None
        return forward.at(t[0])[None, :-1]

    def pull(self, t: Array, x: Array, alpha: Array) -> tuple[Array, Array]:
        """Return the slopes of the adjoint (d,) and parameter gradient (P,), for time reversed."""
        gx, factors = self.problem.pullback(self.lane, t, x, alpha, np.ones(1))
        return gx[0], self.problem.contract([factors], np.ones((1, 1)))[0, 0]

    def solve(
        self,
        function: Callable[[Array, Array], Array],
        left: float,
        right: float,
        y0: Array,
        reads: int,
        dense: bool,
    ) -> SegmentSolution:
        leg = self.solver(
            LaneRightHandSide(function, left, right, reads), left, right, y0, self.tolerance, dense
        )
        self.steps += leg.steps
        return leg
