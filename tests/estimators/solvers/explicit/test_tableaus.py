"""Tableaus against the order conditions: one for each rooted tree (Butcher 1963)."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate

from gradpareto.estimators.solvers.explicit.order_conditions import (
    dense_weights,
    missed,
    nodes,
    trees,
    weights,
    widened,
)
from gradpareto.estimators.solvers.explicit.tableaus import (
    BS3,
    DOP853,
    DOPRI5,
    TABLEAUS,
    VERN9,
    Tableau,
)
from gradpareto.estimators.solvers.explicit.tableaus.tableau import nested_basis

SEVERAL_ESTIMATES = {"DOP853": (5, 3)}
"""The orders of the methods that the rows of `error` compare with, if there is more than one row:
a single row compares with a method of order `error_order`."""
EMBEDDED = [
    (tableau, row, order)
    for tableau in TABLEAUS.values()
    if tableau.error is not None
    for row, order in enumerate(SEVERAL_ESTIMATES.get(tableau.name, (tableau.error_order,)))
]


every = pytest.mark.parametrize("tableau", TABLEAUS.values(), ids=TABLEAUS)


def test_the_trees_are_all_there() -> None:
    """Truth: the number of rooted trees (OEIS A000081), none of them twice."""
    found = [trees(order) for order in range(1, 11)]
    assert [len(forest) for forest in found] == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]
    assert [len(set(forest)) for forest in found] == [len(forest) for forest in found]
    assert all(nodes(tree) == order for order, forest in enumerate(found, 1) for tree in forest)


@every
def test_rows_sum_to_nodes_and_only_earlier_stages_are_read(tableau: Tableau) -> None:
    c = np.concatenate([tableau.c, [1.0], [node for node, _ in tableau.extra]])
    a = widened(tableau)
    np.testing.assert_allclose(a.sum(axis=1), c, rtol=0, atol=2e-14)
    assert not np.triu(a).any()


@every
def test_order_is_the_nominal_one_and_no_more(tableau: Tableau) -> None:
    """Truth: every tree's condition up to the order; some tree of the next must fail."""
    for order in range(1, tableau.order + 1):
        assert missed(tableau.b, tableau.a, order) < 1e-12, order
    assert missed(tableau.b, tableau.a, tableau.order + 1) > 1e-6


@pytest.mark.parametrize(
    ("tableau", "row", "order"), EMBEDDED, ids=[f"{t.name}-{order}" for t, _, order in EMBEDDED]
)
def test_embedded_estimates_vanish_to_their_order(tableau: Tableau, row: int, order: int) -> None:
    """Truth: the difference of two methods of order q or more is zero on trees of up to q nodes."""
    assert tableau.error is not None
    difference, a = tableau.error[row], widened(tableau)
    size = tableau.stages + 1
    sizes = [
        np.abs(weights(trees(k), a[:size, :size]) @ difference).max() for k in range(1, order + 2)
    ]
    assert max(sizes[:-1]) < 1e-13
    assert sizes[-1] > 1e-6


def test_every_embedded_estimate_is_tested_above() -> None:
    for name, tableau in TABLEAUS.items():
        tested = [row for other, row, _ in EMBEDDED if other is tableau]
        rows = [] if tableau.error is None else list(range(len(tableau.error)))
        assert tested == rows, (
            f"{name} has {len(rows)} error estimates: put the orders of the methods that they "
            "compare with into SEVERAL_ESTIMATES of "
            "tests/estimators/solvers/explicit/test_tableaus.py"
        )


@every
def test_dense_output_ends_where_the_step_ends(tableau: Tableau) -> None:
    """Truth: x at the start, the weights b at the end."""
    b = np.zeros(tableau.dense.shape[1])
    np.testing.assert_allclose(dense_weights(tableau, 0.0), b, atol=1e-14)
    b[: tableau.stages] = tableau.b
    np.testing.assert_allclose(dense_weights(tableau, 1.0), b, atol=1e-13)


@every
@pytest.mark.parametrize("fraction", [0.1, 1 / 3, 0.5, 0.77, 0.95])
def test_dense_output_has_its_order_within_the_step(tableau: Tableau, fraction: float) -> None:
    """Truth: sum_i b_i(s) Phi_i = s^q / gamma for every tree of q nodes up to its order."""
    a, b = widened(tableau), dense_weights(tableau, fraction)
    for order in range(1, tableau.dense_order + 1):
        assert missed(b, a, order, fraction) < 1e-11, order
    assert missed(b, a, tableau.dense_order + 1, fraction) > 1e-7


@every
def test_without_its_estimate_a_tableau_takes_the_same_step(tableau: Tableau) -> None:
    """Truth: the weights b, and the stages that reach x+: all but one of Vern9's."""
    fixed = tableau.without_estimate()
    reaches = tableau.b != 0
    for _ in range(tableau.stages):
        reaches = reaches | (tableau.a[reaches] != 0).any(axis=0)
    np.testing.assert_array_equal(np.flatnonzero(reaches), np.arange(fixed.stages))
    assert tableau is not VERN9 or fixed.stages == tableau.stages - 1
    step = np.zeros(tableau.stages)
    step[: fixed.stages] = fixed.b
    np.testing.assert_array_equal(step, tableau.b)
    for order in range(1, tableau.order + 1):
        assert missed(fixed.b, fixed.a, order) < 1e-12
    assert fixed.error is None


@pytest.mark.parametrize(
    ("tableau", "method"), [(BS3, integrate.RK23), (DOPRI5, integrate.RK45)], ids=["BS3", "Dopri5"]
)
def test_the_coefficients_of_pairs_are_scipy_s(tableau: Tableau, method: Any) -> None:
    """Truth: SciPy's, to the last bit."""
    width = method.A.shape[1]
    np.testing.assert_array_equal(tableau.a[:, :width], method.A)
    assert not tableau.a[:, width:].any()
    for own, scipys in ((tableau.b, method.B), (tableau.c, method.C)):
        np.testing.assert_array_equal(own, scipys)
    assert tableau.error is not None
    np.testing.assert_array_equal(tableau.error, [method.E])
    np.testing.assert_array_equal(tableau.dense, nested_basis(method.P.T))


def test_the_coefficients_of_dop853_are_scipy_s() -> None:
    """Truth: SciPy's, to the last bit."""
    method = integrate.DOP853
    assert DOP853.error is not None
    for own, scipys in (
        (DOP853.a, method.A),
        (DOP853.b, method.B),
        (DOP853.c, method.C),
        (DOP853.error, [method.E5, method.E3]),
        (DOP853.dense[3:], method.D),
        ([node for node, _ in DOP853.extra], method.C_EXTRA),
    ):
        np.testing.assert_array_equal(own, scipys)
    for (_, row), scipys in zip(DOP853.extra, method.A_EXTRA, strict=True):
        np.testing.assert_array_equal(row, scipys[: len(row)])
        assert not scipys[len(row) :].any()
