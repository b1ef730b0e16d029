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
    TSIT5,
    VERN9,
    Tableau,
)
from gradpareto.estimators.solvers.explicit.tableaus.tableau import nested_basis

EMBEDDED = [
    (BS3, 0, 2),
    (DOPRI5, 0, 4),
    (TSIT5, 0, 4),
    (DOP853, 0, 5),
    (DOP853, 1, 3),
    (VERN9, 0, 8),
]
"""Rows of `error` and the order of the method that each of them compares with."""


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


def test_every_embedded_estimate_is_listed_above() -> None:
    listed = [(tableau.name, row) for tableau, row, _ in EMBEDDED]
    rows = {t.name: 0 if t.error is None else len(t.error) for t in TABLEAUS.values()}
    assert sorted(listed) == sorted((name, row) for name, n in rows.items() for row in range(n))


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
    """Truth: the weights b; of Vern9, one stage is left out, and none of any other."""
    fixed = tableau.without_estimate()
    assert tableau.stages - fixed.stages == (tableau.name == "Vern9")
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
