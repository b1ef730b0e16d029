"""Newton's method over a whole trajectory at once, with Picard's iteration on stored Jacobians.

A fixed mesh cuts the trajectory into windows of Gauss-Legendre collocation. Each Newton correction
takes one call of the flow at all nodes of many windows; solving for it takes none (Lim et al. 2023,
DEER; Iacob et al. 2025).
"""

from dataclasses import dataclass

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.implicit.simplified_newton import Frozen, simplified_newton
from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau, gauss
from gradpareto.estimators.solvers.implicit.window_equations import (
    AdjointWindowEquations,
    WindowEquations,
    Windows,
)
from gradpareto.estimators.solvers.mesh import fixed_mesh, inside
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array, Problem

COARSE_PATIENCE = 2
"""Iterations for which a coarse solve lets Jacobians be: on few nodes these are cheap."""
COARSE_TOLERANCE = 1e-3
"""The tolerance of a solve that is only a guess for the next."""
COARSE_ITERATIONS = 12
"""Iterations after which a guess for many windows is given up, and they are cut in half."""


@dataclass(frozen=True)
class NewtonPicard(Estimator):
    """Solve the equations of up to `chunk` windows together to rounding, then their transpose.

    The setting is the longest window. Its `stages` nodes make it a step of the Gauss-Legendre
    method: many windows side by side find the numbers of `Collocation`, which takes one after the
    other, in few calls of many rows. The first guess is a constant; it is improved on `coarse`
    nodes a window, whose Jacobians then serve the fine nodes. Lanes that find no guess take half as
    many windows together. The backward pass takes all windows at once, since it is linear.

    Picard's iteration over a window limits its length where the system is stiff. All is computed in
    float64: in float32 the gradient on the cart-pole was less accurate than rounding explains.
    """

    stages: int = 6
    coarse: int = 2
    chunk: int = 32
    tight: float = 0.1

    @property
    def declares(self) -> Declaration:
        """The declaration, in which a window takes roughly five iterations each way."""
        return Declaration(
            knob="step",
            tight=self.tight,
            follows_dtype=False,
            calls_per_step=10 * self.stages,
            order=2 * self.stages,
            exact=True,
            iterative=True,
            source="Lim et al. 2023 (DEER); Iacob et al. 2025",
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        x0 = x0.astype(np.result_type(x0, problem.theta, float))
        mesh = Mesh(problem, *fixed_mesh(problem.segments, setting), np.finfo(x0.dtype).dtype)
        windows = mesh.windows(gauss(self.stages), np.arange(len(x0)), slice(None))
        equations = WindowEquations(windows, x0)
        solution = Solution(self, mesh, equations)
        loss = problem.terminal(solution.x) + np.einsum("rni,ni->r", equations.costs, windows.b)
        grad_x0, grad_theta = solution.pull(problem.terminal_gradient(solution.x))
        lost = np.flatnonzero(~np.isfinite(grad_x0).all(axis=1))
        for part in (loss, grad_x0, grad_theta):
            part[lost] = np.nan
        failed = {int(lane): "Newton's method does not converge" for lane in lost}
        return Estimate(loss, grad_x0, grad_theta, np.full(len(x0), len(mesh.lengths)), failed)


@dataclass(frozen=True)
class Mesh:
    """The windows of a problem: their start, length and segment's index, (N,) each."""

    problem: Problem
    starts: Array
    lengths: Array
    owners: Array
    real: np.dtype

    def windows(self, tableau: CollocationTableau, lane: Array, part: slice) -> Windows:
        """Return a part of them, with a tableau's nodes, for lanes (R,)."""
        h, ends = self.lengths[part], np.array(self.problem.segments)
        owner = self.owners[part, None]
        t = self.starts[part, None] + h[:, None] * tableau.c
        t = inside(t, ends[owner], ends[owner + 1])
        return Windows(self.problem, tableau, lane, t, h, self.real)


class Solution:
    """The solution of a mesh's equations, found chunk by chunk; NaN in lanes that failed.

    It has the increments (B, N, s, d), the Jacobians df/dx (B, N, s, d, d) that found them, and the
    final states x (B, d).
    """

    def __init__(self, method: NewtonPicard, mesh: Mesh, equations: WindowEquations) -> None:
        self.method, self.mesh, self.equations = method, mesh, equations
        self.x, whole = equations.x.copy(), equations.slopes.shape
        self.increments = np.full(whole, np.nan, self.x.dtype)
        self.blocks = np.full((*whole, whole[-1]), np.nan, self.x.dtype)
        lanes, count = np.arange(len(self.x)), len(mesh.lengths)
        start = inside(np.zeros(len(lanes)), *mesh.problem.segments[:2])
        self.last = mesh.problem.jacobian(lanes, start, self.x)[0]
        for first in range(0, count, method.chunk):
            self._solve(lanes, first, min(first + method.chunk, count))

    def _solve(self, lanes: Array, first: int, last: int) -> None:
        """Solve windows from `first` to before `last`, or each half of them in lanes that fail."""
        lanes = lanes[np.isfinite(self.x[lanes]).all(axis=1)]
        if not len(lanes):
            return
        lost = lanes[self._attempt(lanes, slice(first, last))]
        if last - first == 1:
            self.x[lost] = np.nan
            return
        middle = (first + last) // 2
        self._solve(lost, first, middle)
        self._solve(lost, middle, last)

    def _attempt(self, lanes: Array, part: slice) -> Array:
        """Solve a part of the windows in some lanes (R,), and return which of them failed (R,)."""
        tableau, x = gauss(self.method.stages), self.x[lanes]
        fine = WindowEquations(self.mesh.windows(tableau, lanes, part), x)
        z, frozen, failed = simplified_newton(fine, *self._guess(fine, lanes, part), x.shape[1])
        found, own = ~failed, lanes[~failed]
        self.increments[own, part] = fine.split(z)[found]
        self.blocks[own, part] = fine.split(frozen.blocks)[found]
        self.equations.costs[own, part] = fine.costs[found]
        self.x[own] = fine.windows.edges(x, fine.split(z))[found, -1]
        self.last[own] = frozen.blocks[found, -1]
        return failed

    def _guess(self, fine: WindowEquations, lanes: Array, part: slice) -> tuple[Array, Frozen]:
        """Return increments and Jacobians at the fine nodes, from a solution on coarse ones."""
        tableau = gauss(self.method.coarse)
        coarse = WindowEquations(self.mesh.windows(tableau, lanes, part), fine.x)
        z = np.zeros((len(lanes), coarse.windows.t.size, fine.x.shape[1]), fine.x.dtype)
        blocks = np.broadcast_to(self.last[lanes, None], (*z.shape, z.shape[-1]))
        given = Frozen(blocks, coarse.inverse(blocks))
        _, frozen, failed = simplified_newton(
            coarse, z, given, COARSE_PATIENCE, COARSE_TOLERANCE, COARSE_ITERATIONS
        )
        points = fine.windows.tableau.c
        integrals = fine.windows.h[:, None, None] * tableau.integrals_at(points)
        z = (integrals.astype(self.mesh.real) @ coarse.slopes).reshape(len(z), -1, z.shape[-1])
        # One window alone has a constant to start from, which more nodes may serve better.
        z[failed] = 0 if len(self.mesh.lengths[part]) == 1 else np.nan
        blocks = coarse.split(frozen.blocks)
        values = tableau.values_at(points).astype(self.mesh.real)
        blocks = (values @ blocks.reshape(*blocks.shape[:3], -1)).reshape(*z.shape, -1)
        blocks[failed] = self.last[lanes[failed], None]
        return z, Frozen(blocks, fine.inverse(blocks))

    def pull(self, adjoint: Array) -> tuple[Array, Array]:
        """Return the gradients by x0 (B, d) and theta (B, P); `adjoint` (B, d) is x(T)'s cotangent.

        The factors of theta come with the last pullback.
        """
        lanes, width = np.arange(len(adjoint)), adjoint.shape[1]
        increments = self.increments.reshape(len(lanes), -1, width)
        blocks = self.blocks.reshape(*increments.shape, width)
        transpose = AdjointWindowEquations(self.equations, increments, adjoint)
        frozen = Frozen(blocks, transpose.inverse(blocks))
        mu, _, failed = simplified_newton(transpose, 0 * increments, frozen, width)
        mu[failed] = np.nan
        theta = ThetaSum(self.mesh.problem, len(lanes), adjoint.dtype)
        if transpose.factors:
            theta.add_nodes(lanes, transpose.factors)
        return adjoint + mu.sum(axis=1), theta.flush()
