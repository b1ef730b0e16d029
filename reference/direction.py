"""A check that never calls a pullback: derivatives along directions, by complex step."""

from collections.abc import Sequence

import numpy as np

from gradpareto.reference.gradient import LossAndGradient
from gradpareto.reference.ivp import solve_along
from gradpareto.systems import Array, Problem

_EPSILON = 1e-30
"""The imaginary step. Its square vanishes beside 1, so that nothing is subtracted or truncated."""


def check_directions(
    problem: Problem,
    x0: Array,
    solution: LossAndGradient,
    meshes: Sequence[Array],
    rng: np.random.Generator,
) -> dict[str, Array]:
    """Return |D_v L - g.v| (B,) of a gradient g, for unit v: one random, one along g itself.

    Along g the derivative is the norm of the gradient, so that any error of g's size shows; along
    the random direction (its theta part shared by the batch) an error across g shows too. `meshes`
    are those of `directional`.
    """
    gradient, (lanes, d) = solution.gradient, x0.shape
    random = rng.standard_normal(gradient.shape[1] - d)
    random = np.column_stack([rng.standard_normal(x0.shape), np.tile(random, (lanes, 1))])
    v = np.concatenate([random, gradient])
    norms = np.linalg.norm(v, axis=1, keepdims=True)
    v /= np.where(norms > 0, norms, 1)
    missed = np.abs(
        directional(problem, x0, v, meshes) - (np.tile(gradient, (2, 1)) * v).sum(axis=1)
    )
    return {"random direction": missed[:lanes], "gradient direction": missed[lanes:]}


def directional(problem: Problem, x0: Array, v: Array, meshes: Sequence[Array]) -> Array:
    """Return D_v L (K B,) along v (K B, state_dim + P): K times the B samples, with one v each.

    It is Im L(x0 + i e v_x0, theta + i e v_theta) / e (Squire and Trapp, SIAM Review 40, 1998). L,
    with its running cost, is solved by DOP853 from `flow` and `terminal` alone. Step control would
    not see the imaginary part, nor its jumps at a kink, so the steps are those of `meshes`,
    (B, N + 1) in each smooth segment.
    """
    (lanes, d), times = x0.shape, len(v) // len(x0)
    problem = problem.with_theta(problem.theta + 1j * _EPSILON * v[:, d:])

    def slope(row: Array, t: Array, y: Array) -> Array:
        return np.column_stack(problem.flow(row % lanes, t, y[:, :d]))

    start = np.tile(x0, (times, 1)) + 1j * _EPSILON * v[:, :d]
    y = np.concatenate([start, np.zeros((len(v), 1))], axis=1)
    for mesh in meshes:
        y = solve_along(slope, np.tile(mesh, (times, 1)), y)
    return np.asarray((y[:, d] + problem.terminal(y[:, :d])).imag / _EPSILON)
