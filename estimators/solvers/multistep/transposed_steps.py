"""The discrete adjoint of the steps of Adams' method, whose lengths and orders are taken as given.

    p_n = y_{n-1} + h sum_{j < k} b_j f_{n-1-j},     y_n = y_{n-1} + h sum_{j <= k} c_j f_{n-j}

Here f_n is the slope at p_n. Backward, with m_n the cotangent of f_n and l_n that of y_n,

    m_n += h c_0 l_n,   q = (df/dp_n)^T m_n,   l_{n-1} = l_n + q,
    m_{n-j} += h c_j l_n,   m_{n-1-j} += h b_j q

This is the transpose of the steps (Sandu 2007, TR-07-40).
"""

import numpy as np

from gradpareto.estimators.solvers.multistep.adams import MOST_ORDER, AdamsSolution
from gradpareto.estimators.solvers.multistep.divided_differences import first_weights
from gradpareto.estimators.solvers.multistep.nodes import FAR, Nodes
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import Array, Problem


def step_weights(nodes: Nodes, order: Array) -> tuple[Array, Array]:
    """Return h b_j (N, MOST_ORDER) and h c_j (N, MOST_ORDER + 1) of the steps that lead to nodes.

    Nodes and the `order` (N,) of their steps are sorted; where it is 0 there is no step.
    """
    here, back = np.arange(len(order))[:, None], np.arange(MOST_ORDER)
    used = back < order[:, None]
    before = nodes.time[np.maximum(here - 1 - back, 0)]
    h = np.where(order > 0, nodes.time - before[:, 0], 1)
    past = np.where(used, (before - before[:, :1]) / h[:, None], -FAR - back)
    around = np.column_stack([np.ones(len(h)), past])
    predictor, corrector = (
        first_weights(at, np.ones(len(h)), count) * np.where(order > 0, h, 0)[:, None]
        for at, count in ((past, order), (around, order + 1))
    )
    return predictor, corrector


def reverse_steps(problem: Problem, forward: AdamsSolution, adjoint: Array) -> tuple[Array, Array]:
    """Sweep back from the final states' cotangent (B, d) to gradients in x0 (B, d) and theta.

    The integrands of `forward` are each node's time and state, at which f and the running cost are
    evaluated; its last component is the integral of that cost, whose cotangent is 1.
    """
    row = forward.dense.nodes.row
    predictor, corrector = (
        part.astype(adjoint.dtype) for part in step_weights(forward.dense.nodes, forward.order[row])
    )
    lanes, ends = np.unique(forward.lane[row], return_counts=True)
    first = np.cumsum(ends) - ends
    width, back = adjoint.shape[1], np.arange(MOST_ORDER + 1)
    # The cotangents of slopes, behind as many of points before the first, which no step reads.
    slopes = np.zeros((len(lanes), ends.max() + MOST_ORDER + 1, width + 1), adjoint.dtype)
    cotangents = np.column_stack([adjoint, np.ones(len(adjoint), adjoint.dtype)])
    theta = ThetaSum(problem, len(adjoint), adjoint.dtype)
    t, states = (np.concatenate(part)[row] for part in zip(*forward.integrands, strict=True))
    for number in range(1, int(ends.max()) + 1):
        going = np.flatnonzero(ends >= number)
        lane, place = lanes[going], ends[going] - number
        at, behind = first[going] + place, (place + MOST_ORDER + 1)[:, None] - back
        own = cotangents[lane]
        slopes[going[:, None], behind] += corrector[at][:, :, None] * own[:, None]
        slope = slopes[going, behind[:, 0]]
        pulled, factors = problem.pullback(
            lane, t[at, 0], states[at], slope[:, :width], slope[:, width]
        )
        theta.add(lane, factors)
        slopes[going[:, None], behind[:, 1:], :width] += predictor[at][:, :, None] * pulled[:, None]
        cotangents[lane, :width] = own[:, :width] + pulled
    return cotangents[:, :width], theta.flush()
