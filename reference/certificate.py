"""A reference: a gradient, and how far methods that share no code path disagree about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reference.closed_form import closed_form, is_linear_quadratic
from reference.collocation import collocation
from reference.continuous import continuous
from reference.direction import check_directions
from reference.limit import QuadratureLimit, quadrature_limit
from reference.solution import NotSolved, Solution
from systems import Array, Problem

FIRST_STEPS, MOST_STEPS = 32, 4096
"""Collocation steps a smooth segment: where the doubling starts and where it gives up."""
AGREED = 2e-14
"""Relative disagreement of N steps and 2N at which the doubling ends."""
STALLED = 1e-9
"""The same where it ends once it no longer falls fourfold: what is left is rounding."""
_DIRECTION_SEED = 20212


@dataclass(frozen=True)
class Reference:
    """The certified gradient of B samples, in the units of the loss over those of x0 and theta.

    loss (B,), grad_x0 (B, state_dim), grad_theta (B, P). `uncertainty` (B,) is the largest of the
    `disagreements` (B,), 2-norms between the stacked gradients of two methods, or derivatives along
    a unit direction against the gradient's. `limit` is the quadrature limit of the samples.
    """

    loss: Array
    grad_x0: Array
    grad_theta: Array
    uncertainty: Array
    disagreements: Mapping[str, Array]
    limit: QuadratureLimit

    @property
    def gradient(self) -> Array:
        """(dL/dx0, dL/dtheta) stacked, (B, state_dim + P)."""
        return np.concatenate([self.grad_x0, self.grad_theta], axis=1)

    @property
    def rel_uncertainty(self) -> Array:
        """Uncertainty over the norm of the stacked gradient (B,); NaN or inf where that is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.uncertainty / np.linalg.norm(self.gradient, axis=1))


def certify(problem: Problem, x0: Array) -> Reference:
    """The reference of the initial states x0 (B, state_dim).

    The gradient is the closed form's where there is one, else that of collocation at 2N steps. Of
    a system that is not its own `truth`, it is the truth's.
    Raises ValueError on an x0 or a theta of the wrong shape or not finite, and NotSolved if a
    method cannot solve the problem. It does not judge the uncertainty it finds.
    """
    problem, x0 = problem.exact, problem.check_x0(x0)
    if problem.theta.ndim != 1 or not np.isfinite(problem.theta).all():
        raise ValueError("a reference needs one theta (P,) of finite numbers")
    methods: dict[str, Solution] = {}
    if is_linear_quadratic(problem):
        methods["closed form"] = closed_form(problem, x0)
    methods["collocation 2N"], methods["collocation N"] = _converged_collocation(problem, x0)
    methods["continuous adjoint"], paths = continuous(problem, x0)
    chosen = next(iter(methods.values()))

    disagreements = {
        f"{one} / {other}": np.linalg.norm(a.gradient - b.gradient, axis=1)
        for (one, a), (other, b) in combinations(methods.items(), 2)
    }
    rng = np.random.default_rng(_DIRECTION_SEED)
    disagreements |= check_directions(problem, x0, chosen, rng)
    return Reference(
        loss=chosen.loss,
        grad_x0=chosen.grad_x0,
        grad_theta=chosen.grad_theta,
        uncertainty=np.max(list(disagreements.values()), axis=0),
        disagreements=disagreements,
        limit=quadrature_limit(paths),
    )


def _converged_collocation(problem: Problem, x0: Array) -> tuple[Solution, Solution]:
    """Collocation at 2N steps and at N, the first N at which they agree or stop improving."""
    coarse: Solution | None = None
    previous, sample, steps = np.inf, 0, FIRST_STEPS
    while steps <= MOST_STEPS:
        try:
            fine = collocation(problem, x0, steps)
        except NotSolved:
            if steps == MOST_STEPS:
                raise
            steps *= 2
            continue
        if coarse is not None:
            change = np.linalg.norm(fine.gradient - coarse.gradient, axis=1)
            norm = np.linalg.norm(fine.gradient, axis=1)
            relative = change / np.where(norm > 0, norm, 1)
            worst = float(relative.max())
            if worst <= AGREED or previous / 4 <= worst <= STALLED:
                return fine, coarse
            previous, sample = worst, int(relative.argmax())
        coarse, steps = fine, 2 * steps
    raise NotSolved(
        f"collocation of sample {sample} moves by {previous:.0e} up to {MOST_STEPS} steps"
    )
