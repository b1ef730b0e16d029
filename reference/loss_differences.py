"""Differences of independently solved losses, which need no pullback and no adjoint.

They see what all adjoints leave out alike, such as the jump of the costate where the right-hand
side jumps at a state (Galan, Feehery and Barton, Applied Numerical Mathematics 31, 1999). They only
object to a gradient: their error is larger than the adjoints' and never enters an uncertainty.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradpareto.reference.continuous import Trajectory
from gradpareto.reference.differences import derivative
from gradpareto.reference.forward import solve_loss_by
from gradpareto.reference.gradient import LossAndGradient
from gradpareto.reference.ivp import StepControl
from gradpareto.systems import Array, Problem

CONTROL = StepControl(rtol=1e-13, longest=1 / 16, attempts=60_000)
"""The control of the losses' solves."""
OBJECTION, ESTIMATES = 1e-6, 10.0
"""A gradient is refused where the differences are off by more than OBJECTION of its norm and by
more than ESTIMATES times their own estimated error."""
UNSETTLED = 1e-3
"""Differences whose estimated error is a larger part of the gradient's norm test nothing."""
PIECES = 12
"""The pieces in which a loss is solved, with equal numbers of the methods' steps in each."""
FIRST = 1e-2
"""The first step, relative to what is moved, or so that it moves the loss by that much."""
NAMES = ("x0", "theta", "its own direction")
_SEED = 20214


def check_losses(
    problem: Problem, x0: Array, solution: LossAndGradient, paths: Sequence[Trajectory]
) -> tuple[list[str], list[str]]:
    """Compare the gradients of x0 (B, state_dim) with differences of the loss.

    The losses are solved anew, in pieces that are short where the steps of `paths` are.

    The directions are a random one in x0, a random one in theta, and the gradient's own; a random
    one would dilute an error by the square root of the number of entries. Return two lists of B
    texts: why a gradient is refused, and why it cannot be tested; "" where there is nothing to say.
    """
    v = _directions(solution.gradient, x0.shape[1])
    norm = np.linalg.norm(solution.gradient, axis=1)
    said = (v * solution.gradient[:, None]).sum(axis=2)
    first = _first_steps(problem, x0, solution, norm)
    edges = np.sort(np.concatenate([mesh for path in paths for mesh in path.meshes]))
    stops = np.quantile(edges, np.arange(1, PIECES) / PIECES, method="nearest").tolist()
    problem = replace(problem, stops=(*problem.stops, *stops))
    found, error = _derivatives(problem, x0, v, first)
    off = np.abs(found - said)
    refused, untested = [""] * len(x0), [""] * len(x0)
    for k in range(len(x0)):
        objects = off[k] > np.maximum(ESTIMATES * error[k], OBJECTION * norm[k])
        unsettled = ~(error[k] <= UNSETTLED * norm[k])
        if objects.any():
            worst = int(np.argmax(np.where(objects, off[k], 0)))
            refused[k] = (
                f"along {NAMES[worst]} the loss changes by {found[k, worst]:.6g} a unit, and the "
                f"gradient says {said[k, worst]:.6g}: a method of the system may be wrong, or its "
                "right-hand side may jump at a state"
            )
        elif unsettled.any() and norm[k] > 0:
            untested[k] = (
                "differences of the loss do not settle along "
                f"{' and '.join(np.array(NAMES)[unsettled])}"
            )
    return refused, untested


def _directions(gradient: Array, d: int) -> Array:
    """Return unit directions (B, 3, state_dim + P), in the order of NAMES."""
    rng = np.random.default_rng(_SEED)
    v = np.zeros((len(gradient), 3, gradient.shape[1]))
    v[:, 0, :d] = rng.standard_normal((len(gradient), d))
    v[:, 1, d:] = rng.standard_normal(gradient.shape[1] - d)
    v[:, 2] = gradient
    norms = np.linalg.norm(v, axis=2, keepdims=True)
    return np.asarray(v / np.where(norms > 0, norms, 1))


def _first_steps(problem: Problem, x0: Array, solution: LossAndGradient, norm: Array) -> Array:
    """Return the longest steps (B, 3): FIRST of x0's or theta's norm, and of the loss at most."""
    sizes = np.stack([np.linalg.norm(x0, axis=1), np.full(len(x0), np.linalg.norm(problem.theta))])
    sizes = np.where(sizes > 0, sizes, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_loss = np.abs(solution.loss) / norm
    by_loss = np.where(np.isfinite(by_loss) & (by_loss > 0), by_loss, np.inf)
    return np.asarray(FIRST * np.minimum(np.stack([*sizes, sizes.min(axis=0)]), by_loss).T)


def _derivatives(problem: Problem, x0: Array, v: Array, first: Array) -> tuple[Array, Array]:
    """Differentiate the loss along v (B, 3, state_dim + P); return (B, 3) and estimated errors."""
    d = x0.shape[1]

    def losses(steps: Array) -> Array:
        moves = (steps[..., None] * v).reshape(steps.size, -1)
        lane = np.broadcast_to(np.arange(len(x0))[:, None], steps.shape).ravel()
        context = None if problem.context is None else problem.context[lane]
        moved = replace(
            problem, theta=problem.theta + moves[:, d:], trial=np.arange(len(lane)), context=context
        )
        return solve_loss_by(moved, x0[lane] + moves[:, :d], CONTROL).reshape(steps.shape)

    return derivative(losses, first)
