"""Simplified Newton iteration for collocation, with one Jacobian for the stages of many steps.

The estimators have a simplified Newton method of their own. This one is written again on purpose:
the truth shares no code with what it judges.
"""

import numpy as np

from gradpareto.reference.gradient import NotSolved
from gradpareto.systems import Array, Problem


class SimplifiedNewton:
    """The inverse of I - h M (x) J, for a stage matrix M (s, s) and Jacobians J (B, d, d).

    An iterate k of k = g(k) becomes k + (I - h M (x) J)^-1 (g(k) - k). M and J are diagonalised, so
    that a step of any length h only divides by the complex scalars 1 - h mu_i lambda_j (after
    Butcher, BIT 16, 1976). M is real, so one of each pair of conjugate eigenvalues is enough. J
    need not be exact: the iteration converges to the same solution with any.

    Raises NotSolved if a Jacobian cannot be diagonalised.
    """

    def __init__(self, matrix: Array, jacobians: Array) -> None:
        try:
            stage_values, stage_vectors = np.linalg.eig(matrix)
            self._values, self._vectors = np.linalg.eig(jacobians)
            self._inverse = np.linalg.inv(self._vectors)
        except np.linalg.LinAlgError as error:
            raise NotSolved(f"no Newton iteration: {error}") from error
        kept = stage_values.imag >= 0
        self._stage_values = stage_values[kept]
        self._to_modes = np.linalg.inv(stage_vectors)[kept]
        self._from_modes = stage_vectors[:, kept] * np.where(self._stage_values.imag > 0, 2, 1)

    def __call__(self, residual: Array, h: Array) -> Array:
        """Multiply a residual (s, B, d) by (I - h M (x) J)^-1, for steps h (B,)."""
        modes = self._inverse @ np.tensordot(residual, self._to_modes, (0, 1))
        modes = modes / (1 - h[:, None, None] * self._values[:, :, None] * self._stage_values)
        return np.tensordot(self._from_modes, self._vectors @ modes, (1, 2)).real


def jacobian(problem: Problem, t: Array, x: Array) -> Array:
    """Return dx'/dx (B, d, d) of the closed loop at times t (B,) and states x (B, d)."""
    lanes, d = x.shape
    lane = np.repeat(np.arange(lanes), d)
    a = np.tile(np.eye(d), (lanes, 1))
    return problem.pullback(lane, t[lane], x[lane], a, np.zeros(len(a)))[0].reshape(lanes, d, d)
