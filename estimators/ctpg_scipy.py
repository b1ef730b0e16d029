"""The paper's Algorithm 1 over SciPy's solvers, one lane at a time."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import OdeSolution, solve_ivp
from scipy.sparse import block_array, csr_array

from estimators.ctpg import ATOL_OVER_RTOL
from estimators.estimate import Estimate, Estimator, Knob
from estimators.solvers.mesh import inside
from systems import Array, Problem

SMALLEST_RTOL = 100 * np.finfo(float).eps
"""solve_ivp raises smaller ones to this, with a warning."""
IMPLICIT_WITH_SPARSITY = ("Radau", "BDF")
STIFF = (*IMPLICIT_WITH_SPARSITY, "LSODA")


@dataclass(frozen=True)
class CtpgScipy(Estimator):
    """CTPG by `scipy.integrate.solve_ivp`: an independent check of this project's engine.

    The running cost is a component of the forward state, the parameter gradient of the backward
    one, where Radau and BDF are told that nothing depends on it. Jacobians are differenced by
    SciPy, and each call of an oracle that they take is paid for like any other. SciPy works in
    float64.
    """

    method: str
    tight: float = 1e-9
    knob: Knob = "tolerance"
    follows_dtype = False
    source = "Ainsworth et al. 2021, Alg. 1, over scipy.integrate.solve_ivp"

    @property
    def stiff(self) -> bool:  # type: ignore[override]
        return self.method in STIFF

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        lanes = [_Lane(problem, lane, self.method, setting) for lane in range(len(x0))]
        rows = [lane.gradient(x) for lane, x in zip(lanes, x0, strict=True)]
        loss, grad_x0, grad_theta = (np.stack(part) for part in zip(*rows, strict=True))
        failed = {lane.index: lane.failure for lane in lanes if lane.failure}
        return Estimate(loss, grad_x0, grad_theta, np.array([lane.steps for lane in lanes]), failed)


class _Lane:
    """One sample's forward and backward solve."""

    def __init__(self, problem: Problem, index: int, method: str, setting: float) -> None:
        if not 0 < setting < np.inf:
            raise ValueError(f"a tolerance must be positive and finite, not {setting}")
        self.problem, self.index, self.method = problem, index, method
        self.rtol, self.atol = max(setting, SMALLEST_RTOL), ATOL_OVER_RTOL * setting
        self.lane, self.steps, self.failure = np.array([index]), 0, ""

    def gradient(self, x0: Array) -> tuple[Array, Array, Array]:
        """Loss (), dL/dx0 (d,) and dL/dtheta (P,), NaN if a solve fails."""
        width, parameters = len(x0), self.problem.policy.size
        times = self.problem.segments
        state, trajectories = np.append(x0, 0.0), []
        for left, right in pairwise(times):
            state, dense = self._solve(self._flow, left, right, state)
            trajectories.append(dense)
        x_end = state[None, :width]
        loss = state[width] + self.problem.terminal(x_end)[0]
        adjoint = np.append(self.problem.terminal_gradient(x_end)[0], np.zeros(parameters))
        for right, left in pairwise(reversed(times)):
            trajectory = trajectories.pop()

            def backward(t: Array, y: Array, trajectory: Any = trajectory) -> Array:
                x = trajectory(t[0])[None, :width]
                gx, factors = self.problem.pullback(self.lane, t, x, y[None, :width], np.ones(1))
                g = self.problem.contract([factors], np.ones((1, 1)))[0, 0]
                return -np.concatenate([gx[0], g])

            adjoint, _ = self._solve(backward, right, left, adjoint, dense=False)
        return loss, adjoint[:width], adjoint[width:]

    def _flow(self, t: Array, y: Array) -> Array:
        slope, cost = self.problem.flow(self.lane, t, y[None, :-1])
        return np.append(slope[0], cost)

    def _solve(
        self, rhs: Any, left: float, right: float, y0: Array, dense: bool = True
    ) -> tuple[Array, OdeSolution | None]:
        if self.failure:
            return np.full_like(y0, np.nan), None
        options: dict[str, Any] = {}
        if self.method in IMPLICIT_WITH_SPARSITY:
            options["jac_sparsity"] = _only_depends_on_first(self.problem.system.state_dim, len(y0))
        try:
            result = solve_ivp(
                lambda t, y: rhs(inside(np.array([t]), left, right), y),
                (left, right),
                y0,
                method=self.method,
                rtol=self.rtol,
                atol=self.atol,
                dense_output=dense,
                **options,
            )
            self.steps += len(result.t) - 1
            self.failure = "" if result.success else str(result.message)
        except (ValueError, RuntimeError) as error:  # a Jacobian that is not finite, or singular
            self.failure = f"{self.method}: {error}"
        if self.failure:
            return np.full_like(y0, np.nan), None
        return result.y[:, -1], result.sol


def _only_depends_on_first(width: int, size: int) -> csr_array:
    """Jacobian sparsity of a right-hand side that reads only the state's first `width` entries."""
    read = csr_array(np.ones((size, width)))
    return block_array([[read, csr_array((size, size - width))]], format="csr")
