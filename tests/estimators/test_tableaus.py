"""Tableaus against the order conditions: one for each rooted tree (Butcher 1963)."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from math import prod

import numpy as np
import pytest

from estimators.solvers.dense_output import nested
from estimators.solvers.tableaus import DOP853, TABLEAUS, TSIT5, Tableau
from systems import Array

Tree = tuple["Tree", ...]
"""A rooted tree is its root's children, sorted."""

DENSE_ORDER = {"Euler": 1, "Heun": 2, "RK4": 3, "Tsit5": 4, "DOP853": 7}
"""Of the interpolants: cubic Hermite has order 3 at most, and never more than its method."""
EMBEDDED = [(TSIT5, 0, 4), (DOP853, 0, 5), (DOP853, 1, 3)]
"""Rows of `error` and the order of the method that each of them compares with."""


def trees(order: int) -> Iterator[Tree]:
    """All rooted trees of so many nodes: 1, 1, 2, 4, 9, 20, 48, 115."""

    def forests(nodes: int, largest: int) -> Iterator[tuple[Tree, ...]]:
        if nodes == 0:
            yield ()
        for size in range(1, min(nodes, largest) + 1):
            for copies in range(1, nodes // size + 1):
                for chosen in combinations_with_replacement(list(trees(size)), copies):
                    for rest in forests(nodes - size * copies, size - 1):
                        yield (*chosen, *rest)

    yield from forests(order - 1, order - 1)


def nodes(tree: Tree) -> int:
    return 1 + sum(map(nodes, tree))


def density(tree: Tree) -> int:
    return nodes(tree) * prod(map(density, tree))


def weights(tree: Tree, a: Array) -> Array:
    """Elementary weights of the stages, (s,)."""
    result = np.ones(len(a))
    for child in tree:
        result = result * (a @ weights(child, a))
    return result


def widened(tableau: Tableau) -> Array:
    """a with rows for f(t + h, x+) and for the stages that only the dense output needs."""
    s, total = tableau.stages, tableau.dense.shape[1]
    a = np.zeros((total, total))
    a[:s, :s], a[s, :s] = tableau.a, tableau.b
    for k, (_, row) in enumerate(tableau.extra, s + 1):
        a[k, : len(row)] = row
    return a


def dense_weights(tableau: Tableau, fraction: float) -> Array:
    """b_i(s): what each slope contributes to the interpolant, through its own evaluation."""
    return nested(np.array(fraction), np.pad(tableau.dense, ((1, 0), (0, 0))))


def missed(b: Array, a: Array, order: int, fraction: float = 1.0) -> float:
    """The largest error over the conditions of one order, relative to the condition's own value."""
    return max(abs(b @ weights(t, a) * density(t) - fraction**order) for t in trees(order))


every = pytest.mark.parametrize("tableau", TABLEAUS.values(), ids=TABLEAUS)


def test_the_trees_are_all_there() -> None:
    """Truth: the number of rooted trees (OEIS A000081), none of them twice."""
    found = [list(trees(order)) for order in range(1, 9)]
    assert [len(set(forest)) for forest in found] == [1, 1, 2, 4, 9, 20, 48, 115]
    assert all(nodes(tree) == order for order, forest in enumerate(found, 1) for tree in forest)


@every
def test_rows_sum_to_nodes_and_only_earlier_stages_are_read(tableau: Tableau) -> None:
    c = np.concatenate([tableau.c, [1.0], [node for node, _ in tableau.extra]])
    a = widened(tableau)
    np.testing.assert_allclose(a.sum(axis=1), c, atol=2e-14)
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
    for nodes_ in range(1, order + 1):
        for tree in trees(nodes_):
            assert abs(difference @ weights(tree, a[:size, :size])) < 1e-13
    assert max(abs(difference @ weights(t, a[:size, :size])) for t in trees(order + 1)) > 1e-6


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
    """Truth: sum_i b_i(s) Phi_i = s^q / gamma for every tree of q nodes up to the order."""
    a, b = widened(tableau), dense_weights(tableau, fraction)
    for order in range(1, DENSE_ORDER[tableau.name] + 1):
        assert missed(b, a, order, fraction) < 1e-11, order
    assert missed(b, a, DENSE_ORDER[tableau.name] + 1, fraction) > 1e-7
