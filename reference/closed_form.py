"""The loss and gradient of a linear-quadratic problem under a linear policy, in closed form."""

import numpy as np
import scipy

from gradpareto.reference.gradient import LossAndGradient
from gradpareto.systems import LQR, Array, Problem

_GROWTH = 0.5
"""The length of a segment times the norm of the closed loop, which bounds growth over it."""


def is_linear_quadratic(problem: Problem) -> bool:
    """Say whether `closed_form` applies: to an LQR system under a single linear layer."""
    return type(problem.system) is LQR and problem.policy.activations == ("identity",)


def closed_form(problem: Problem, x0: Array) -> LossAndGradient:
    """Compute the loss and gradient of an LQR under u = W x + b from x0 (B, n).

    With z = (x, 1) the closed loop is z' = M z, its cost z'S z, the cost to go z'P(t) z, and
    y = (z, 2 P z) satisfies y' = H y with H = [[M, 0], [-2S, -M']]. The gradient needs only the
    integral of y y'. H has growing modes whatever the closed loop, so that one exponential over the
    horizon loses everything; over a short segment it is harmless. P comes from its recursion
    backward over the segments, and z from its own forward; both are stable when the closed loop is,
    and the result is exact to a few units of rounding.

    Integrals by Van Loan, "Computing integrals involving the matrix exponential", IEEE Trans.
    Automatic Control 23 (1978). Raises ValueError if the problem is not linear-quadratic.
    """
    system = problem.system
    if not isinstance(system, LQR) or not is_linear_quadratic(problem):
        raise ValueError("the closed form needs an LQR system and a linear policy")
    n, k = system.B.shape
    weight, bias = problem.policy.layers(problem.theta)[0]
    gain = np.column_stack([weight, bias])
    M, S, S_T = np.zeros((3, n + 1, n + 1))
    M[:n] = system.B @ gain
    M[:n, :n] += system.A
    S[:n, :n], S_T[:n, :n] = system.Q, system.Q_T
    S += gain.T @ system.R @ gain

    z0 = np.column_stack([x0, np.ones(len(x0))])
    z, costate, cost_to_go, step = _segments(M, S, S_T, z0, problem.horizon)
    # The costate in units in which it is as large as z, lest rounding of the one bury the other.
    unit = 2 * np.linalg.norm(cost_to_go, axis=(1, 2)).max() or 1.0
    H = np.block([[M, np.zeros_like(M)], [-2 * S / unit, -M.T]])
    # All segments have one length: the integral of their sum is the sum of their integrals.
    y = np.concatenate([z, costate / unit], axis=2)
    moments = _outer_integral(H, np.einsum("kbi,kbj->bij", y, y), step)
    zz, costate_z = moments[:, : n + 1, : n + 1], unit * moments[:, n + 1 : 2 * n + 1, : n + 1]
    grad_gain = system.B.T @ costate_z + 2 * (system.R @ gain) @ zz
    grad_theta = [grad_gain[:, :, :n].reshape(len(x0), k * n), grad_gain[:, :, n]]
    loss = ((z0 @ cost_to_go[0]) * z0).sum(axis=1)
    return LossAndGradient(loss, costate[0, :, :n], np.concatenate(grad_theta, axis=1))


def _segments(
    M: Array, S: Array, S_T: Array, z0: Array, horizon: float
) -> tuple[Array, Array, Array, float]:
    """Return z and 2Pz (K, B, n + 1) where K equal segments start, P at their ends, a length."""
    size = len(M)
    count = int(np.ceil(1 + horizon * np.linalg.norm(M, 2) / _GROWTH))
    step = horizon / count
    block = scipy.linalg.expm(step * np.block([[-M.T, S], [np.zeros_like(M), M]]))
    E = block[size:, size:]
    stage_cost = E.T @ block[:size, size:]

    cost_to_go = np.empty((count + 1, size, size))
    cost_to_go[count] = S_T
    for number in reversed(range(count)):
        P = stage_cost + E.T @ cost_to_go[number + 1] @ E
        cost_to_go[number] = 0.5 * (P + P.T)
    z = np.empty((count, *z0.shape))
    z[0] = z0
    for number in range(1, count):
        z[number] = z[number - 1] @ E.T
    return z, 2 * (z @ cost_to_go[:count]), cost_to_go, step


def _outer_integral(H: Array, start: Array, step: float) -> Array:
    """Return int_0^step e^{Ht} Y e^{H't} dt for each Y (B, m, m) of `start`."""
    size, scale = len(H), np.abs(start).max(axis=(1, 2), keepdims=True)
    block = np.zeros((len(start), 2 * size, 2 * size))
    block[:, :size, :size] = -H
    block[:, :size, size:] = start / scale
    block[:, size:, size:] = H.T
    block = scipy.linalg.expm(step * block)
    integral = block[:, size:, size:].transpose(0, 2, 1) @ block[:, :size, size:]
    return np.asarray(scale * integral)
