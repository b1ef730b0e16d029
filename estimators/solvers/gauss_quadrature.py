"""The theta-gradient of all lanes by Gauss rules along the dense outputs x(t) and alpha(t).

    dL/dtheta = int_0^T (du/dtheta)^T (df/du^T alpha + dw/du) dt

`gauss_on_steps` takes a fixed number of Gauss nodes in each step of the adjoint (Norcliffe and
Deisenroth 2023); `gauss_kronrod` halves intervals until their errors fit (Piessens et al. 1983).
"""

from functools import cache

import numpy as np
from numpy.polynomial import legendre

from gradpareto.estimators.solvers.explicit.dense_output import DenseOutput
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.estimators.solvers.right_hand_side import Path
from gradpareto.systems import Array, Factors, Problem

ROWS_AT_ONCE = 4096
"""One oracle call takes up to this number of nodes, whose cotangents have to be held."""
ROUNDING = 50.0
"""The error estimate of an integral says nothing below this number of roundings of it (QUADPACK).
"""

KRONROD_NODES = 7
"""The Gauss rule of G7-K15 has 7 nodes."""
SHORTEST = 1e-12
"""An interval that is this fraction of the horizon is not halved again."""


def gauss_rule(nodes: int) -> tuple[Array, Array]:
    """Return nodes and weights of the Gauss-Legendre rule on [0, 1], of order 2 * nodes."""
    points, weights = legendre.leggauss(nodes)
    return (1 + points) / 2, weights / 2


@cache
def kronrod_rule(nodes: int) -> tuple[Array, Array, Array]:
    """Return 2 * nodes + 1 Gauss-Kronrod points on [0, 1], and the weights of both rules there.

    The points that are added to Gauss's are the roots of Stieltjes' polynomial E, of degree nodes +
    1, for which P_nodes E is orthogonal to every polynomial of a lower degree than its own.
    """
    points, weights = legendre.leggauss(2 * nodes + 2)
    basis = legendre.legvander(points, nodes + 1)
    moments = np.einsum("q,q,qj,qk->jk", weights, basis[:, nodes], basis[:, :-1], basis)
    stieltjes = np.append(np.linalg.solve(moments[:, :-1], -moments[:, -1]), 1.0)
    own, own_weights = legendre.leggauss(nodes)
    points = np.concatenate([own, legendre.legroots(stieltjes)])
    target = np.zeros(len(points))
    target[0] = 2
    kronrod = np.linalg.solve(legendre.legvander(points, len(points) - 1).T, target)
    gauss = np.concatenate([own_weights, np.zeros(nodes + 1)])
    return (1 + points) / 2, kronrod / 2, gauss / 2


def gauss_on_steps(
    problem: Problem, path: Path, alpha: DenseOutput, lanes: int, nodes: int
) -> Array:
    """Integrate pullback_theta(x, alpha) dt (lanes, P) by Gauss nodes in each step of alpha.

    Cotangents are linear in what is pulled back, so the weights of the rule are multiplied in
    there.
    """
    points, weights = gauss_rule(nodes)
    theta = ThetaSum(problem, lanes, alpha.coefficients.dtype)
    owner = alpha.lane
    # In order of their number within the lane: the rows of one number are of different lanes.
    number = np.arange(len(owner)) - np.searchsorted(owner, owner)
    order = np.argsort(number, kind="stable")
    edges = np.append(0, np.cumsum(np.bincount(number)))
    first = 0
    while first < len(edges) - 1:
        fits = np.searchsorted(edges, edges[first] + ROWS_AT_ONCE // nodes, side="right") - 1
        last = max(first + 1, int(fits))
        steps = order[edges[first] : edges[last]]
        lane, length = owner[steps], alpha.length[steps]
        t = alpha.start[steps] + points[:, None] * length
        factors = _pull(problem, path, alpha, lane, t, weights[:, None] * np.abs(length))
        for low, high in zip(edges[first:last], edges[first + 1 : last + 1], strict=True):
            part = slice(low - edges[first], high - edges[first])
            for node in factors:
                theta.add(lane[part], tuple(side[part] for side in node))
        first = last
    return theta.flush()


def _pull(
    problem: Problem, path: Path, alpha: DenseOutput, lane: Array, t: Array, weights: Array
) -> list[Factors]:
    """Pull back at times t (S, R) in rows of `lane` (R,), and return the S nodes' factors.

    The `weights` (S, R) multiply the theta-cotangents.
    """
    x, a = path(lane, t), alpha(lane, t)
    w = weights.astype(a.dtype, copy=False)
    rows = np.tile(lane, len(t)), t.ravel(), x.reshape(-1, x.shape[-1])
    a = (w[..., None] * a).reshape(-1, a.shape[-1])
    _, factors = problem.pullback(*rows, a, w.ravel())
    split = [side.reshape(*t.shape, *side.shape[1:]) for side in factors]
    return [tuple(side[k] for side in split) for k in range(len(t))]


def gauss_kronrod(
    problem: Problem,
    path: Path,
    alpha: DenseOutput,
    lanes: int,
    segments: tuple[float, ...],
    rtol: float,
    atol: float,
) -> Array:
    """Integrate pullback_theta(x, alpha) dt (lanes, P), halving intervals until the errors fit.

    The difference of the Gauss and the Kronrod rule (G7-K15) is an interval's error, in the
    Euclidean norm over theta. The errors of a lane may sum up to atol + rtol |integral|; where they
    sum up to more, those intervals are halved whose error is above the share of their length.
    """
    points, kronrod, gauss = kronrod_rule(KRONROD_NODES)
    rules = np.stack([kronrod, kronrod - gauss])
    value = np.zeros((lanes, problem.policy.size), alpha.coefficients.dtype)
    missed, span = np.zeros(lanes), segments[-1] - segments[0]
    own, ends = np.unique(alpha.lane), np.array(segments)
    lane, left = np.repeat(own, len(ends) - 1), np.tile(ends[:-1], len(own))
    length = np.tile(np.diff(ends), len(own))
    while len(lane):
        t = left + points[:, None] * length
        factors = _pull(problem, path, alpha, lane, t, np.ones_like(t))
        sums, off = problem.contract(factors, rules[:, :, None] * length)
        errors, total, open_errors = _norm(off), value.copy(), missed.copy()
        np.add.at(total, lane, sums)
        np.add.at(open_errors, lane, errors)
        allowed = atol + rtol * _norm(total)
        least = ROUNDING * np.finfo(sums.dtype).eps * _norm(sums)
        halved = too_rough(errors, allowed[lane] * length / span, least)
        halved &= (open_errors > allowed)[lane] & (length > SHORTEST * span)
        np.add.at(value, lane[~halved], sums[~halved])
        np.add.at(missed, lane[~halved], errors[~halved])
        half = length[halved] / 2
        left = np.concatenate([left[halved], left[halved] + half])
        lane, length = np.tile(lane[halved], 2), np.tile(half, 2)
    return value


def too_rough(errors: Array, share: Array, least: Array) -> Array:
    """Tell which errors (R,) of intervals are above their share and above their rounding."""
    return np.asarray(errors > np.maximum(share, least))


def _norm(rows: Array) -> Array:
    return np.asarray(np.linalg.norm(rows, axis=1), float)
