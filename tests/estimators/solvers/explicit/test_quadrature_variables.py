"""Integrals beside a Runge-Kutta solve that are held over many steps before they are contracted."""

from collections.abc import Sequence

import numpy as np

from gradpareto.estimators.solvers.explicit.quadrature_variables import (
    HELD_NODES,
    HeldIntegral,
    QuadratureVariables,
)
from gradpareto.systems import Array, Factors, WeightedSums

B = np.array([0.25, 0.0, 0.75])
"""The second node has no weight, and is not held."""


def weighted(nodes: Sequence[Factors], weights: Array) -> WeightedSums:
    sums = np.einsum("ksr,srm->krm", weights, np.stack([node[0] for node in nodes]))

    def write(rows: slice, out: Array) -> None:
        out[...] = sums[:, rows]

    return write


def test_a_held_integral_is_the_sum_over_accepted_steps() -> None:
    """Truth: the sum, step by step; lanes drop out, steps are rejected, and room runs out."""
    rng, held = np.random.default_rng(0), HeldIntegral(QuadratureVariables(4, weighted), 3, B)
    truth = np.zeros((3, 4))
    for lanes in (np.arange(3), np.array([0, 2])):
        for _ in range(HELD_NODES):
            h, error = rng.uniform(0.1, 1, len(lanes)), rng.uniform(0, 2, len(lanes))
            nodes = rng.normal(size=(len(B), len(lanes), 4))
            held.add(lanes, h, [(node,) for node in nodes], error)
            for row in np.flatnonzero(error <= 1):
                truth[lanes[row]] += h[row] * B @ nodes[:, row]
    np.testing.assert_allclose(held.value(), truth, rtol=0, atol=1e-12)


def test_a_step_that_overflows_and_is_rejected_spoils_nothing() -> None:
    """Truth: the other lane's step; the integrand of the one that overflows is not a number."""
    held = HeldIntegral(QuadratureVariables(1, weighted), 2, B)
    node = np.array([[2.0], [np.nan]])
    held.add(np.arange(2), np.ones(2), [(node,)] * 3, np.array([0.5, np.nan]))
    np.testing.assert_array_equal(held.value(), [[2.0], [0.0]])
