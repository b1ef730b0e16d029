"""The forward-backward sweep of optimal control, for a policy that is given.

x' = f is solved by RK4 forward, alpha' = -(df/dx)^T alpha - dw/dx by RK4 backward on the same mesh
(Lenhart and Workman 2007).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.explicit.stages import increment, stage_states
from gradpareto.estimators.solvers.explicit.tableaus import RK4
from gradpareto.estimators.solvers.mesh import fixed_mesh, inside
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array, Problem

PLACES = np.array([0.0, 0.5, 0.5, 1.0])
"""The places of RK4's stages within the step."""


@dataclass(frozen=True)
class ForwardBackwardSweep(Estimator):
    """Solve the state forward by RK4 on a fixed mesh, then the adjoint backward on the same mesh.

    As in Lenhart and Workman, states are kept only at the mesh's points. Halfway between two of
    them the adjoint is given their mean, so that the method is of order 2 (`ctpg-rk4` has Hermite's
    cubic there). The authors repeat both sweeps, because they seek the control, which couples the
    two. Here the policy is given and makes the control a function of the state: the state does not
    depend on the adjoint, and one sweep each way is enough. The theta-gradient is the quadrature of
    the adjoint's stages by RK4's weights, which are Simpson's.
    """

    tight: float = 1e-3

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="step",
            tight=self.tight,
            calls_per_step=8,
            order=2,
            source="Lenhart and Workman 2007",
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        precision = np.result_type(x0, problem.theta)
        tableau, lanes = RK4.astype(np.finfo(precision).dtype), np.arange(len(x0))
        starts, lengths, owners = fixed_mesh(problem.segments, setting)
        ends = np.array(problem.segments)
        times = [
            inside(start + PLACES * h, ends[k], ends[k + 1])
            for start, h, k in zip(starts, lengths, owners, strict=True)
        ]
        b, steps = tableau.b, lengths.tolist()
        states = np.empty((len(steps) + 1, *x0.shape), precision)
        states[0], loss = x0, np.zeros(len(x0), precision)
        slopes = np.empty((len(b), *x0.shape), precision)
        for n, h in enumerate(steps):
            for i, x in stage_states(tableau, states[n], h, slopes):
                slopes[i], cost = problem.flow(lanes, np.full(len(x0), times[n][i]), x)
                loss += h * b[i] * cost
            states[n + 1] = states[n] + increment(h, b, slopes)
        loss += problem.terminal(states[-1])
        alpha = problem.terminal_gradient(states[-1])
        theta = ThetaSum(problem, len(x0), precision)
        for n in reversed(range(len(steps))):
            h = steps[n]
            path = states[n + 1], (states[n] + states[n + 1]) / 2, states[n]
            for i, stage in stage_states(tableau, alpha, h, slopes):
                t, x = np.full(len(x0), times[n][-1 - i]), path[(i + 1) // 2]
                slopes[i], factors = problem.pullback(lanes, t, x, stage, np.ones_like(loss))
                # Its weight on the cotangents, every second of the factors.
                weighted = (h * b[i] * f if k % 2 == 0 else f for k, f in enumerate(factors))
                theta.add(lanes, tuple(weighted))
            alpha = alpha + increment(h, b, slopes)
        return Estimate(loss, alpha, theta.flush(), np.full(len(x0), 2 * len(steps)))
