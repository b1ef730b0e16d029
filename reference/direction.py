"""A check that never calls a pullback: derivatives along directions, by complex step."""

from itertools import pairwise

import numpy as np

from reference.ivp import solve_tight
from reference.solution import Solution
from systems import Array, Problem

_EPSILON = 1e-30
"""The imaginary step. Its square vanishes beside 1, so that nothing is subtracted or truncated."""


def check_directions(
    problem: Problem, x0: Array, solution: Solution, rng: np.random.Generator
) -> dict[str, Array]:
    """|D_v L - g.v| (B,) of a gradient g, for unit v: one random, one along g itself.

    Along g the derivative is the norm of the gradient, so that any error of g's size shows; along
    the random direction (its theta part shared by the batch) an error across g shows too.
    """
    gradient, d = solution.gradient, x0.shape[1]
    theta = rng.standard_normal(problem.policy.size)
    random = np.column_stack([rng.standard_normal(x0.shape), np.tile(theta, (len(x0), 1))])
    norms = np.linalg.norm(gradient, axis=1, keepdims=True)
    along = gradient / np.where(norms > 0, norms, 1)
    found = {
        # Divided by its norm afterwards: the shared theta part is perturbed once for the batch.
        "random direction": (random, directional(problem, x0, random[:, :d], theta)),
        "gradient direction": (along, directional(problem, x0, along[:, :d], along[:, d:])),
    }
    result = {}
    for name, (v, derivative) in found.items():
        length = np.linalg.norm(v, axis=1)
        missed = np.abs(derivative - (gradient * v).sum(axis=1))
        result[name] = missed / np.where(length > 0, length, 1)
    return result


def directional(problem: Problem, x0: Array, v_x0: Array, v_theta: Array) -> Array:
    """D_v L (B,) along v = (v_x0 (B, state_dim), v_theta (P,), or (B, P) one for each sample).

    Im L(x0 + i e v_x0, theta + i e v_theta) / e (Squire and Trapp, SIAM Review 40, 1998), with L
    solved by DOP853, running cost and all, from `flow` and `terminal` alone.

    Raises NotSolved if SciPy gives up.
    """
    lanes, d = x0.shape
    problem = problem.with_theta(problem.theta + 1j * _EPSILON * v_theta)
    lane = np.arange(lanes)
    y = np.concatenate([x0 + 1j * _EPSILON * v_x0, np.zeros((lanes, 1))], axis=1).ravel()

    def slope(t: float, y: Array) -> Array:
        dx, cost = problem.flow(lane, np.full(lanes, t), y.reshape(lanes, d + 1)[:, :d])
        return np.column_stack([dx, cost]).ravel()

    for a, b in pairwise(problem.segments):
        y = solve_tight(slope, a, b, y).y[:, -1]
    end = y.reshape(lanes, d + 1)
    return np.asarray((end[:, d] + problem.terminal(end[:, :d])).imag / _EPSILON)
