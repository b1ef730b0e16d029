"""References: gradients, with the disagreement of methods that share no code path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gradpareto.reference.closed_form import closed_form, is_linear_quadratic
from gradpareto.reference.continuous import continuous
from gradpareto.reference.direction import check_directions
from gradpareto.reference.gauss_legendre import gauss_legendre
from gradpareto.reference.gradient import LossAndGradient, NotSolved
from gradpareto.reference.limit import QuadratureLimit, quadrature_limit
from gradpareto.systems import Array, Problem

FIRST_STEPS = 32
"""The collocation steps of a smooth segment from which the doubling starts."""
AGREED = 2e-14
"""The relative disagreement of N steps and 2N at which the doubling ends (see `_converged`)."""
ENOUGH, ALGEBRAIC = 1e-10, 2.0**8
"""Below the disagreement ENOUGH, the doubling ends where it falls by no more than ALGEBRAIC: at a
kink more steps gain little, while away from kinks it would fall 2^16-fold."""
ROUNDINGS = 100
"""The roundings of a whole solve may change the gradient by this multiple of what one rounding of
x0 changes in it."""
UNSOLVED = 1e-3
"""The largest disagreement that is an uncertainty and not yet a failure."""
_DIRECTION_SEED = 20212
_EPS = np.finfo(float).eps


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
        """The stacked gradient (dL/dx0, dL/dtheta) (B, state_dim + P)."""
        return np.concatenate([self.grad_x0, self.grad_theta], axis=1)

    @property
    def rel_uncertainty(self) -> Array:
        """The uncertainty over the stacked gradient's norm (B,); NaN or inf where that is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.uncertainty / np.linalg.norm(self.gradient, axis=1))


def certify(problem: Problem, x0: Array) -> Reference:
    """Certify the gradient of the initial states x0 (B, state_dim).

    The gradient is the closed form's where there is one, else that of collocation at 2N steps. A
    system that is not its own `truth` gets the gradient of its truth. Nothing judges here whether
    the uncertainty is small enough.

    Raises ValueError on an x0 or a theta of the wrong shape or not finite, and NotSolved if a
    method cannot solve the problem.
    """
    problem, x0 = problem.exact, problem.check_x0(x0)
    if problem.theta.ndim != 1 or not np.isfinite(problem.theta).all():
        raise ValueError("a reference needs one theta (P,) of finite numbers")
    methods: dict[str, LossAndGradient] = {}
    if is_linear_quadratic(problem):
        methods["closed form"] = closed_form(problem, x0)
    solution, paths = continuous(problem, x0)
    # One list a smooth segment: the mesh of each sample.
    meshes = list(zip(*(path.meshes for path in paths), strict=True))
    methods["collocation 2N"], methods["collocation N"] = _converged(problem, x0, meshes)
    methods["continuous adjoint"] = solution
    chosen = next(iter(methods.values()))

    disagreements = {
        f"{one} / {other}": np.linalg.norm(a.gradient - b.gradient, axis=1)
        for (one, a), (other, b) in combinations(methods.items(), 2)
    }
    rng = np.random.default_rng(_DIRECTION_SEED)
    finest = [_sampled(mesh, max(map(len, mesh)) - 1) for mesh in meshes]
    disagreements |= check_directions(problem, x0, chosen, finest, rng)
    return Reference(
        loss=chosen.loss,
        grad_x0=chosen.grad_x0,
        grad_theta=chosen.grad_theta,
        uncertainty=np.max(list(disagreements.values()), axis=0),
        disagreements=disagreements,
        limit=quadrature_limit(paths),
    )


def _converged(
    problem: Problem, x0: Array, meshes: Sequence[Sequence[Array]]
) -> tuple[LossAndGradient, LossAndGradient]:
    """Double the number N of collocation steps; return the last gradients of 2N steps and N.

    The doubling ends when the relative disagreement of the two is at most AGREED, or

    - at most ENOUGH, and has fallen by no more than ALGEBRAIC;
    - at most UNSOLVED, and has fallen by no more than fourfold, and either 2N are as many steps as
      the adaptive solves took (with fewer, a kink may be unresolved), or it is at most ROUNDINGS
      times what one rounding of x0 changes;
    - at most UNSOLVED, and 4N would be more than four times the adaptive solves' steps.

    Raises NotSolved if none of these is reached.
    """
    adaptive = max(len(mesh) - 1 for segment in meshes for mesh in segment)
    coarse: LossAndGradient | None = None
    previous, steps, most = np.inf, FIRST_STEPS, 4 * max(adaptive, FIRST_STEPS)
    while steps <= most:
        mesh = [_sampled(segment, steps) for segment in meshes]
        try:
            fine = gauss_legendre(problem, x0, mesh)
        except NotSolved:
            coarse, steps = None, 2 * steps
            continue
        if coarse is not None:
            worst = _change(coarse, fine)
            if worst <= (AGREED if 2 * steps <= most else UNSOLVED):
                return fine, coarse
            if previous / ALGEBRAIC <= worst <= ENOUGH:
                return fine, coarse
            if previous / 4 <= worst <= UNSOLVED and (
                steps >= adaptive
                or worst
                <= ROUNDINGS * _change(gauss_legendre(problem, x0 * (1 + _EPS), mesh), fine)
            ):
                return fine, coarse
            previous = worst
        coarse, steps = fine, 2 * steps
    raise NotSolved(f"collocation moves by {previous:.0e} of the gradient up to {steps // 2} steps")


def _change(one: LossAndGradient, other: LossAndGradient) -> float:
    """Return the largest distance of two gradients of a sample, relative to the second."""
    change = np.linalg.norm(one.gradient - other.gradient, axis=1)
    norm = np.linalg.norm(other.gradient, axis=1)
    return float((change / np.where(norm > 0, norm, 1)).max())


def _sampled(meshes: Sequence[Array], steps: int) -> Array:
    """Sample each mesh (M + 1,) at `steps` equal intervals of its numbering: (B, steps + 1).

    An adaptive solve's steps are short where its problem is hard, and these are placed alike,
    whether they are fewer or more. Only the places are used, no number of its solution.
    """
    return np.stack(
        [np.interp(np.linspace(0, len(m) - 1, steps + 1), np.arange(len(m)), m) for m in meshes]
    )
