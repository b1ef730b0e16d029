"""Sensitivity equations: the gradient forward in time, beside the state.

S = dx/d(x0, theta) obeys S' = (df/dx) S + df/d(x0, theta) (Serban and Hindmarsh 2005).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.explicit.stages import increment, stage_states
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.mesh import each_step, inside
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Sensitivity(Estimator):
    """S = dx/d(x0, theta) obeys S' = J S + F_theta; dL = int (w_x S + w_theta) dt + J_x S(T).

    This is the method of CVODES (Serban and Hindmarsh 2005). At each stage, J and F_theta come from
    d vector-Jacobian products and w's gradient from one more, where d + P Jacobian-vector products
    would do the same. This is cheaper if d < P, and the price in oracle calls does not grow with P.
    Memory and arithmetic do grow: d (d + P) numbers are held for each sample and stage, whatever
    the number of steps. Since the equations are linear, the gradient equals, to rounding, that of
    the discrete adjoint of the same steps.
    """

    tableau: Tableau
    tight: float = 0.02

    @property
    def declares(self) -> Declaration:
        """The declaration, in which the calls of a step are those for one state (see `solves`)."""
        return Declaration(
            knob="step",
            tight=self.tight,
            calls_per_step=self.tableau.stages,
            order=self.tableau.order,
            exact=True,
            memory=0.0,
            forward_only=True,
            source="Serban and Hindmarsh 2005",
        )

    def solves(self, problem: Problem) -> int:
        """Return 2 + d: a stage takes a flow, a Jacobian of d products, and one product more."""
        return problem.system.state_dim + 2

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        precision = np.result_type(x0, problem.theta)
        tableau = self.tableau.astype(precision)
        state = _State.at(problem, x0.astype(precision, copy=False))
        taken = 0
        for start, h, *ends in each_step(problem.segments, setting):
            taken += 1
            times = inside(start + tableau.c * h, *ends)
            state = state.after(_slopes(problem, tableau, state, times, h), h, tableau.b)
        width = x0.shape[1]
        at_end = problem.terminal_gradient(state.x)[:, None, :] @ state.s
        gradient = state.gradient + at_end[:, 0]
        loss = state.loss + problem.terminal(state.x)
        return Estimate(loss, gradient[:, :width], gradient[:, width:], np.full(len(x0), taken))


@dataclass(frozen=True)
class _State:
    """The state x (B, d), S (B, d, d + P), the cost so far (B,), and its gradient (B, d + P).

    It also holds the slopes of these four. Slopes of several stages have a leading axis.
    """

    x: Array
    s: Array
    loss: Array
    gradient: Array

    @classmethod
    def at(cls, problem: Problem, x0: Array) -> "_State":
        """Return the state at time 0."""
        batch, width = x0.shape
        entries = width + problem.policy.size
        s = np.tile(np.eye(width, entries, dtype=x0.dtype), (batch, 1, 1))
        return cls(x0, s, np.zeros(batch, x0.dtype), np.zeros((batch, entries), x0.dtype))

    @classmethod
    def stages(cls, count: int, like: "_State") -> "_State":
        """Return empty arrays for the slopes of `count` stages."""
        parts = (like.x, like.s, like.loss, like.gradient)
        return cls(*(np.empty((count, *part.shape), part.dtype) for part in parts))

    def after(self, slopes: "_State", h: float, weights: Array) -> "_State":
        """Move all parts by h times the sum of the stages' slopes with weights (s,)."""
        return _State(
            self.x + increment(h, weights, slopes.x),
            self.s + increment(h, weights, slopes.s),
            self.loss + increment(h, weights, slopes.loss),
            self.gradient + increment(h, weights, slopes.gradient),
        )


def _slopes(problem: Problem, tableau: Tableau, state: _State, times: Array, h: float) -> _State:
    """Return the slopes of one step's stages."""
    slopes, lanes = _State.stages(tableau.stages, state), np.arange(len(state.x))
    of_x = stage_states(tableau, state.x, h, slopes.x)
    of_s = stage_states(tableau, state.s, h, slopes.s)
    for (i, x), (_, s) in zip(of_x, of_s, strict=True):
        t = np.full(len(x), times[i])
        slopes.x[i], slopes.loss[i] = problem.flow(lanes, t, x)
        _differentiate(problem, (lanes, t, x), s, slopes.s[i], slopes.gradient[i])
    return slopes


def _differentiate(
    problem: Problem, at: tuple[Array, Array, Array], s: Array, slope: Array, gradient: Array
) -> None:
    """Write S' (B, d, d + P), and the running cost's gradient (B, d + P), at S."""
    _, _, x = at
    batch, width = x.shape
    one = np.ones((1, 1), x.dtype)
    jacobian, theta = problem.jacobian(*at)
    np.matmul(jacobian, s, out=slope)
    of_controls = problem.contract([theta.factors], one)[0].reshape(batch, -1, problem.policy.size)
    slope[:, :, width:] += theta.by_control @ of_controls
    of_x, factors = problem.pullback(*at, np.zeros_like(x), np.ones(batch, x.dtype))
    np.matmul(of_x[:, None, :], s, out=gradient[:, None, :])
    gradient[:, width:] += problem.contract([factors], one)[0]
