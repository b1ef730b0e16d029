"""State and adjoint together, as a boundary-value problem that SciPy collocates.

x' = f and alpha' = -(df/dx)^T alpha - dw/dx with x(0) = x0, alpha(T) = dJ/dx (Kierzenka and
Shampine 2001).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy

from gradpareto.estimators.collocation import Collocation, backward
from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.implicit.tableaus import gauss, radau
from gradpareto.estimators.solvers.mesh import inside
from gradpareto.systems import Array, Factors, Problem

GUESS = Collocation(radau, stages=2)
FIRST_NODES = 17
"""The number of nodes of the first mesh over each smooth segment."""
MOST_NODES = 20_000
QUADRATURE = gauss(3)
"""The rule for each interval of the mesh, where the solution is a cubic of order 4."""


@dataclass(frozen=True)
class SolveBvp(Estimator):
    """Solve for the state and the adjoint at once, as a boundary-value problem, by SciPy.

    Every smooth segment is mapped onto (0, 1), and the segments' variables are components side by
    side, since SciPy has no interior boundary points. The first guess comes from Radau's method on
    a coarse mesh, with its adjoint. The loss and the theta-gradient are quadratures along the
    solution. There is no backward pass, and nothing is stored for one. SciPy works in float64,
    differences Jacobians, and bounds the relative residual by the setting; each call of an oracle
    is paid for.
    """

    tight: float = 1e-8

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="tolerance",
            tight=self.tight,
            follows_dtype=False,
            per_lane=True,
            memory=0.0,
            iterative=True,
            source="Kierzenka and Shampine 2001; SciPy's solve_bvp",
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        if not 0 < setting < np.inf:
            raise ValueError(f"a tolerance must be positive and finite, not {setting}")
        x0 = x0.astype(float)
        s = np.linspace(0, 1, FIRST_NODES)
        lanes = [_Lane(problem, lane, x) for lane, x in enumerate(x0)]
        guesses = _guess(problem, x0, s)
        found = [lane.gradient(s, y, setting) for lane, y in zip(lanes, guesses, strict=True)]
        loss, grad_x0, grad_theta = (np.stack(part) for part in zip(*found, strict=True))
        failed = {lane.index: lane.failure for lane in lanes if lane.failure}
        return Estimate(loss, grad_x0, grad_theta, np.array([lane.steps for lane in lanes]), failed)


class _Lane:
    """The problem of one sample, where y (2 S d, m) is x and alpha of S segments at m nodes."""

    def __init__(self, problem: Problem, index: int, x0: Array) -> None:
        self.problem, self.index, self.x0 = problem, index, x0
        self.ends = list(pairwise(problem.segments))
        self.failure, self.steps = "", 0

    def gradient(self, s: Array, guess: Array, tolerance: float) -> tuple[Array, Array, Array]:
        """Return the loss (), dL/dx0 (d,) and dL/dtheta (P,), or NaN if SciPy fails."""
        result = scipy.integrate.solve_bvp(
            self._slopes, self._ends_meet, s, guess, tol=tolerance, max_nodes=MOST_NODES
        )
        self.steps = len(result.x) - 1
        if not result.success:
            self.failure = f"solve_bvp: {result.message}"
            return np.array(np.nan), self.x0 * np.nan, self.problem.theta * np.nan
        theta, loss = np.zeros(self.problem.policy.size), np.zeros(())
        width = np.diff(result.x)
        nodes = (result.x[:-1, None] + width[:, None] * QUADRATURE.c).ravel()
        weights = (width[:, None] * QUADRATURE.b).ravel()
        y = self._split(result.sol(nodes))
        for ends, (x, alpha) in zip(self.ends, y, strict=True):
            _, cost = self.problem.flow(*self._rows(ends, nodes, x))
            loss = loss + (ends[1] - ends[0]) * weights @ cost
            _, factors = self._pull(ends, nodes, x, alpha)
            apart: list[Factors] = [tuple(f[i : i + 1] for f in factors) for i in range(len(nodes))]
            theta += self.problem.contract(apart, (ends[1] - ends[0]) * weights[None])[0, 0]
        x_end, _ = self._split(result.y[:, -1:])[-1]
        _, alpha = self._split(result.y[:, :1])[0]
        return loss + self.problem.terminal(x_end)[0], alpha[0], theta

    def _split(self, y: Array) -> list[tuple[Array, Array]]:
        """Return x and alpha (m, d) of each segment."""
        parts = y.T.reshape(y.shape[1], len(self.ends), 2, -1)
        return [(part[:, 0], part[:, 1]) for part in parts.transpose(1, 0, 2, 3)]

    def _rows(self, ends: tuple[float, float], s: Array, x: Array) -> tuple[Array, Array, Array]:
        t = inside(ends[0] + s * (ends[1] - ends[0]), *ends)
        return np.full(len(s), self.index), t, x

    def _pull(
        self, ends: tuple[float, float], s: Array, x: Array, alpha: Array
    ) -> tuple[Array, Factors]:
        return self.problem.pullback(*self._rows(ends, s, x), alpha, np.ones(len(s)))

    def _slopes(self, s: Array, y: Array) -> Array:
        slopes = []
        for ends, (x, alpha) in zip(self.ends, self._split(y), strict=True):
            dx, _ = self.problem.flow(*self._rows(ends, s, x))
            gx, _ = self._pull(ends, s, x, alpha)
            slopes += [(ends[1] - ends[0]) * dx, (ends[0] - ends[1]) * gx]
        return np.concatenate(slopes, axis=1).T

    def _ends_meet(self, first: Array, last: Array) -> Array:
        """Return the residuals (2 S d,) of x(0) = x0, of the terminal condition and of continuity.

        Continuity is that of x and alpha from each segment to the next.
        """
        starts, stops = self._split(first[:, None]), self._split(last[:, None])
        missed = [starts[0][0] - self.x0]
        for (x, alpha), (next_x, next_alpha) in zip(stops, starts[1:], strict=False):
            missed += [next_x - x, next_alpha - alpha]
        x, alpha = stops[-1]
        missed.append(alpha - self.problem.terminal_gradient(x))
        return np.concatenate(missed, axis=1).ravel()


def _guess(problem: Problem, x0: Array, s: Array) -> Array:
    """Return Radau's solution and its adjoint as a guess (B, 2 S d, m) at s (m,) in (0, 1)."""
    segments = problem.segments
    _, x, steps = GUESS.forward(problem, x0, segments[-1] / (len(s) - 1))
    times = np.array([solved.step.h for solved in steps]).cumsum()
    states = [solved.step.x for solved in steps] + [x]
    adjoints = [problem.terminal_gradient(x)]
    adjoints += [adjoint for adjoint, _ in backward(problem, steps, adjoints[0])]
    path = np.stack([states, adjoints[::-1]], axis=1)
    t = np.concatenate([left + s * (right - left) for left, right in pairwise(segments)])
    found = scipy.interpolate.make_interp_spline(np.append(0.0, times), path, k=1)(t)
    count = len(segments) - 1, len(s)
    return np.asarray(
        found.reshape(*count, *path.shape[1:]).transpose(3, 0, 2, 4, 1).reshape(len(x0), -1, len(s))
    )
