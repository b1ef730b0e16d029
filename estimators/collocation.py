"""Implicit collocation and its discrete adjoint, with few stages a step or many over a segment.

The stages X_i = x + h sum_j a_ij f(X_j) are solved for together, x_+ = x + h sum_i b_i f(X_i), and
going back the transposed equations are (Hager 2000; Sandu 2006).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.estimators.solvers.implicit.simplified_newton import Frozen, simplified_newton
from gradpareto.estimators.solvers.implicit.stages import AdjointStageEquations, StageEquations
from gradpareto.estimators.solvers.implicit.tableaus import CollocationTableau, Family
from gradpareto.estimators.solvers.mesh import inside, step_count
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array, Factors, Problem

COARSEST = 6
"""Nodes from which a spectral solve is refined, doubling them."""
COARSE_PATIENCE = 2
"""Iterations for which they let Jacobians be: on few nodes these are cheap, and serve the next."""
COARSE_TOLERANCE = 1e-3
"""The tolerance of a solve that is only a guess for the next."""
SMALL_INVERSE = 2**14
"""Bytes a lane up to which a single polynomial keeps its inverse, which soon outgrows all else."""


@dataclass(frozen=True)
class Solved:
    """A step, its stages' increments (B, s, d) and the Jacobians that found them (B, s, d, d).

    The `inverse` (B, s d, s d) that was made of the Jacobians is kept if no lane renewed its own:
    the next step, if it is as long, and the backward pass have the same.
    """

    step: StageEquations
    increments: Array
    blocks: Array
    inverse: Array | None = None


@dataclass(frozen=True)
class Collocation(Estimator):
    """Solve the collocation equations to rounding, then their transpose (Hager 2000, Sandu 2006).

    With `stages`, the setting is the step of an implicit Runge-Kutta method. Without, it is the
    mean spacing of the nodes of one polynomial over each of the `pieces` into which every smooth
    segment is cut (Quaglino et al. 2020); an estimate's `steps` then counts nodes.

    Both passes use the simplified Newton method, which asks for Jacobians only where it converges
    slowly; the backward pass starts with those that the forward pass ended with. The first guess
    comes from the last step's polynomial, or from the solution on half as many nodes.
    """

    family: Family
    stages: int | None = None
    pieces: int = 1
    tight: float = 0.1
    source: str = "Hager 2000; Sandu 2006"

    @property
    def declares(self) -> Declaration:
        """The declaration, in which a step takes roughly five iterations each way.

        One polynomial over a whole segment has to resolve a fast mode, or else it oscillates; the
        matrices of one polynomial grow with the square of its nodes.
        """
        return Declaration(
            knob="step",
            tight=self.tight,
            calls_per_step=10 * (self.stages or 1),
            order=self.family(self.stages).order if self.stages else None,
            exact=True,
            memory=1.0 if self.stages or self.pieces > 1 else 2.0,
            iterative=True,
            stiff=self.stages is not None,
            source=self.source,
        )

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        loss, x, steps = self.forward(problem, x0, setting)
        count = len(steps) if self.stages else sum(len(solved.step.t) for solved in steps)
        theta = ThetaSum(problem, len(x), x.dtype)
        grad_x0 = problem.terminal_gradient(x)
        lanes = np.arange(len(x))
        for adjoint, factors in backward(problem, steps, grad_x0):
            grad_x0 = adjoint
            if factors:
                theta.add_nodes(lanes, factors)
        grad_theta = theta.flush()
        lost = (~np.isfinite(grad_x0).all(axis=1)).nonzero()[0]
        for part in (loss, grad_x0, grad_theta) if len(lost) else ():
            part[lost] = np.nan
        failed = {int(lane): "Newton's method does not converge" for lane in lost}
        return Estimate(loss, grad_x0, grad_theta, np.full(len(x0), count), failed)

    def forward(
        self, problem: Problem, x0: Array, setting: float
    ) -> tuple[Array, Array, list[Solved]]:
        """Return the loss (B,), the final states (B, d) and the steps; NaN in lanes that failed."""
        precision = np.result_type(x0, problem.theta)
        x, loss = x0.astype(precision), np.zeros(len(x0), precision)
        steps: list[Solved] = []
        for span in self._mesh(problem, setting):
            past = steps[-1] if steps and span.start > span.ends[0] else None
            solved = self._solve(problem, span, x, past)
            steps.append(solved)
            ends = solved.step.tableau.ends.astype(precision)
            x = x + np.einsum("i,rid->rd", ends, solved.increments)
            loss += solved.step.costs @ solved.step.weights
        return loss + problem.terminal(x), x, steps

    def _mesh(self, problem: Problem, setting: float) -> Iterator["Span"]:
        for ends in pairwise(problem.segments):
            length = (ends[1] - ends[0]) / self.pieces
            count = self.stages or step_count(length, setting)
            steps = step_count(ends[1] - ends[0], setting if self.stages else length)
            h = (ends[1] - ends[0]) / steps
            for n in range(steps):
                yield Span(ends[0] + n * h, h, ends, count)

    def _solve(self, problem: Problem, span: "Span", x: Array, past: Solved | None) -> Solved:
        blocks = _jacobian_at(problem, span, x) if past is None else past.blocks[:, -1:]
        if self.stages:
            step = span.step(problem, self.family(self.stages), x)
            guess = np.repeat(x[:, None], self.stages, axis=1)
            if past is None:
                return _newton(step, guess, blocks)
            kept = past.inverse if past.step.h == step.h else None
            return _newton(step, _extrapolate(past.step, step), blocks, inverse=kept)
        counts = [span.count]
        while counts[0] >= 2 * COARSEST:
            counts.insert(0, (counts[0] + 1) // 2)
        coarse = span.step(problem, self.family(counts[0]), x)
        guess = np.repeat(x[:, None], counts[0], axis=1)
        for count in counts[1:]:
            blocks = _newton(coarse, guess, blocks, COARSE_TOLERANCE).blocks
            fine = span.step(problem, self.family(count), x)
            guess = coarse.at(fine.tableau.c)
            values = coarse.tableau.values(fine.tableau.c).astype(fine.a.dtype)
            blocks, coarse = np.einsum("ki,ripq->rkpq", values, blocks), fine
        found = _newton(coarse, guess, blocks)
        kept = found.inverse if self.pieces == 1 else None
        small = kept is not None and kept.nbytes <= SMALL_INVERSE * len(x)
        return found if small else replace(found, inverse=None)


@dataclass(frozen=True)
class Span:
    """A step h from `start`, within the smooth segment `ends`; it takes `count` nodes."""

    start: float
    h: float
    ends: tuple[float, float]
    count: int

    def step(self, problem: Problem, tableau: CollocationTableau, x: Array) -> StageEquations:
        """Return the equations of the step's stages, from its initial states x (B, d)."""
        return StageEquations(
            problem, tableau, inside(self.start + tableau.c * self.h, *self.ends), self.h, x
        )


def _jacobian_at(problem: Problem, span: Span, x: Array) -> Array:
    """Return df/dx at the start of the step, (B, 1, d, d); NaN in lanes that failed."""
    alive = np.flatnonzero(np.isfinite(x).all(axis=1))
    t = inside(np.full(len(alive), span.start), *span.ends)
    if len(alive) == len(x):
        return problem.jacobian(alive, t, x)[0][:, None]
    blocks = np.full((*x.shape, x.shape[1]), np.nan, x.dtype)
    if len(alive):
        blocks[alive] = problem.jacobian(alive, t, x[alive])[0]
    return blocks[:, None]


def _extrapolate(past: StageEquations, step: StageEquations) -> Array:
    """Evaluate the polynomial of the step before at the stages of this one."""
    return past.at(1 + step.tableau.c * (step.h / past.h))


def _newton(
    step: StageEquations,
    guess: Array,
    blocks: Array,
    tolerance: float | None = None,
    inverse: Array | None = None,
) -> Solved:
    """Solve a step's equations with Jacobians that are given, and their inverse if it is known."""
    width = guess.shape[-1]
    patience = width if tolerance is None else COARSE_PATIENCE
    blocks = np.broadcast_to(blocks, (*guess.shape, width))
    given = Frozen(blocks, step.inverse(blocks) if inverse is None else inverse)
    guess = guess - step.x[:, None]
    increments, frozen, failed = simplified_newton(step, guess, given, patience, tolerance)
    increments[failed] = np.nan
    return Solved(step, increments, frozen.blocks, frozen.inverse if frozen is given else None)


def backward(
    problem: Problem, steps: list[Solved], adjoint: Array
) -> Iterator[tuple[Array, Factors]]:
    """Yield each step's cotangent of its initial states and theta's factors (B, s, m), last first.

    `adjoint` (B, d) is the cotangent of the final states. The list of steps is emptied.
    """
    while steps:
        solved = steps.pop()
        increments, inverse = solved.increments, solved.inverse
        transpose = AdjointStageEquations(solved.step, increments, adjoint)
        frozen = Frozen(
            solved.blocks,
            transpose.inverse(solved.blocks) if inverse is None else inverse.transpose(0, 2, 1),
        )
        guess = 0 * increments  # NaN in lanes that failed
        cotangents, _, failed = simplified_newton(transpose, guess, frozen, increments.shape[-1])
        cotangents[failed] = np.nan
        adjoint = adjoint + cotangents.sum(axis=1)
        yield adjoint, transpose.factors
