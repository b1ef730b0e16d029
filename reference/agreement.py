"""Gradients by methods that share no code path, and how far they disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gradpareto.reference.closed_form import closed_form, is_linear_quadratic
from gradpareto.reference.continuous import Trajectory
from gradpareto.reference.direction import check_directions
from gradpareto.reference.gauss_legendre import gauss_legendre
from gradpareto.reference.gradient import LossAndGradient, NotSolved
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
class Agreement:
    """The gradient of B samples, and the `disagreements` (B,) of the methods by their names.

    It is the closed form's gradient where there is one, else that of collocation at 2N steps.
    """

    solution: LossAndGradient
    disagreements: Mapping[str, Array]

    @property
    def uncertainty(self) -> Array:
        """The largest disagreement of each sample (B,)."""
        return np.asarray(np.max(list(self.disagreements.values()), axis=0))


def agree(
    problem: Problem,
    x0: Array,
    solution: LossAndGradient,
    paths: Sequence[Trajectory],
    rest: Array | float = 0.0,
    complex_step: bool = True,
) -> Agreement:
    """Compute the gradients of x0 (B, state_dim) by the methods beside the continuous one.

    The latter's solution and trajectories are given: the other methods step where it did. A
    gradient's norm below `rest` (B,) is as good as zero. The derivatives along directions are left
    out where the system takes no `complex_step`. Raises NotSolved if a method cannot solve the
    problem.
    """
    methods: dict[str, LossAndGradient] = {}
    if is_linear_quadratic(problem):
        methods["closed form"] = closed_form(problem, x0)
    # One list a smooth segment: the mesh of each sample.
    meshes = list(zip(*(path.meshes for path in paths), strict=True))
    methods["collocation 2N"], methods["collocation N"] = _converged(problem, x0, meshes, rest)
    methods["continuous adjoint"] = solution
    chosen = next(iter(methods.values()))

    disagreements = {
        f"{one} / {other}": np.linalg.norm(a.gradient - b.gradient, axis=1)
        for (one, a), (other, b) in combinations(methods.items(), 2)
    }
    if complex_step:
        rng = np.random.default_rng(_DIRECTION_SEED)
        finest = [_sampled(mesh, max(map(len, mesh)) - 1) for mesh in meshes]
        disagreements |= check_directions(problem, x0, chosen, finest, rng)
    return Agreement(chosen, disagreements)


def _converged(
    problem: Problem, x0: Array, meshes: Sequence[Sequence[Array]], rest: Array | float = 0.0
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
    failure = NotSolved("collocation does not converge")
    while steps <= most:
        mesh = [_sampled(segment, steps) for segment in meshes]
        try:
            fine = gauss_legendre(problem, x0, mesh)
        except NotSolved as error:
            failure, coarse, steps = error, None, 2 * steps
            continue
        if coarse is not None:
            changes = _changes(coarse, fine, rest)
            worst = float(changes.max())
            failure = _unsettled(changes, steps)
            agreed = worst <= (AGREED if 2 * steps <= most else UNSOLVED)
            if agreed or previous / ALGEBRAIC <= worst <= ENOUGH:
                return fine, coarse
            if previous / 4 <= worst <= UNSOLVED and (
                steps >= adaptive or worst <= ROUNDINGS * _rounding(problem, x0, mesh, fine, rest)
            ):
                return fine, coarse
            previous = worst
        coarse, steps = fine, 2 * steps
    raise failure


def _unsettled(changes: Array, steps: int) -> NotSolved:
    moved = f"collocation moves by {changes.max():.0e} of the gradient"
    lanes = np.flatnonzero(~(changes <= UNSOLVED)).tolist()
    return NotSolved(f"{moved} from {steps // 2} steps to {steps}", lanes)


def _rounding(
    problem: Problem, x0: Array, mesh: Sequence[Array], found: LossAndGradient, rest: Array | float
) -> float:
    """Return the largest relative change of the gradients found, as x0 moves by a rounding."""
    return float(_changes(gauss_legendre(problem, x0 * (1 + _EPS), mesh), found, rest).max())


def _changes(one: LossAndGradient, other: LossAndGradient, rest: Array | float) -> Array:
    """Return the distance (B,) of two gradients of each sample, relative to the second."""
    change = np.linalg.norm(one.gradient - other.gradient, axis=1)
    norm = np.maximum(np.linalg.norm(other.gradient, axis=1), rest)
    return np.asarray(change / np.where(norm > 0, norm, 1))


def _sampled(meshes: Sequence[Array], steps: int) -> Array:
    """Sample each mesh (M + 1,) at `steps` equal intervals of its numbering: (B, steps + 1).

    An adaptive solve's steps are short where its problem is hard, and these are placed alike,
    whether they are fewer or more. Only the places are used, no number of its solution.
    """
    return np.stack(
        [np.interp(np.linspace(0, len(m) - 1, steps + 1), np.arange(len(m)), m) for m in meshes]
    )
