"""Order conditions of Runge-Kutta methods, one for each rooted tree (Butcher 1963).

A method is of order p if sum_i b_i Phi_i(tree) = 1 / gamma(tree) for every tree of up to p nodes,
where Phi is the elementary weight and gamma the density.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations_with_replacement
from math import prod

import numpy as np

from gradpareto.estimators.solvers.explicit.dense_output import nested
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array

Tree = tuple["Tree", ...]
"""A rooted tree, given by the sorted subtrees of its root."""

TOLERANCE = 1e-10
"""A condition may be missed by this much, because published coefficients are rounded."""
HIGHEST_ORDER = 10
"""Conditions are checked up to this order; it has 719 of them, and order 11 has 1842."""


@cache
def trees(order: int) -> tuple[Tree, ...]:
    """Return all rooted trees of `order` nodes: 1, 1, 2, 4, 9, 20, 48, 115, 286, 719 of them."""

    def forests(nodes: int, largest: int) -> Iterator[tuple[Tree, ...]]:
        if nodes == 0:
            yield ()
        for size in range(1, min(nodes, largest) + 1):
            for copies in range(1, nodes // size + 1):
                for chosen in combinations_with_replacement(trees(size), copies):
                    for rest in forests(nodes - size * copies, size - 1):
                        yield (*chosen, *rest)

    return tuple(forests(order - 1, order - 1))


@cache
def nodes(tree: Tree) -> int:
    """Count the nodes of a tree."""
    return 1 + sum(map(nodes, tree))


@cache
def density(tree: Tree) -> int:
    """Compute gamma(tree), the product of the sizes of all its subtrees."""
    return nodes(tree) * prod(map(density, tree))


def weights(chosen: Sequence[Tree], a: Array) -> Array:
    """Compute the elementary weights Phi (trees, s); a subtree that trees share is weighed once."""

    @cache
    def of(tree: Tree) -> Array:
        result = np.ones(len(a))
        for child in tree:
            result = result * (a @ of(child))
        return result

    return np.stack([of(tree) for tree in chosen])


def missed(b: Array, a: Array, order: int, fraction: float = 1.0) -> float:
    """Return the largest error over the conditions of one order, relative to its right side."""
    densities = np.array([density(tree) for tree in trees(order)])
    return float(np.abs(weights(trees(order), a) @ b * densities - fraction**order).max())


def order_of(b: Array, a: Array, highest: int = 8) -> int:
    """Return the order up to which all conditions hold; it is 0 if sum b is not 1."""
    fitting = 0
    while fitting < highest and missed(b, a, fitting + 1) <= TOLERANCE:
        fitting += 1
    return fitting


def vanishing_order(difference: Array, a: Array, highest: int = 8) -> int:
    """Return the order of the lower of two methods, by the difference of their weights."""
    order = 0
    while order < highest and (
        np.abs(weights(trees(order + 1), a) @ difference).max() <= TOLERANCE
    ):
        order += 1
    return order


def widened(tableau: Tableau) -> Array:
    """Return `a` with rows for f(t + h, x+) and for the stages that only the dense output needs."""
    s, total = tableau.stages, tableau.dense.shape[1]
    a = np.zeros((total, total))
    a[:s, :s], a[s, :s] = tableau.a, tableau.b
    for k, (_, row) in enumerate(tableau.extra, s + 1):
        a[k, : len(row)] = row
    return a


def dense_weights(tableau: Tableau, fraction: float) -> Array:
    """Return b_i(s), the weight of each slope in the dense output at a fraction s of the step."""
    return nested(np.array(fraction), np.pad(tableau.dense, ((1, 0), (0, 0))))


def check(tableau: Tableau) -> None:
    """Check that a tableau is what it claims to be.

    Its arrays must fit each other, a must be strictly lower triangular, c must be the row sums of
    a, the conditions of the claimed orders of the step and of its error estimate must hold, and the
    dense output must begin at x and end at x+. Raises ValueError, naming the condition and by how
    much it is missed, if they do not.
    """
    _check_shapes(tableau)
    name, s, a, b = tableau.name, tableau.stages, tableau.a, tableau.b
    later = np.abs(np.triu(a))
    if later.any():
        i, j = np.unravel_index(int(later.argmax()), later.shape)
        raise ValueError(
            f"{name} is not explicit: stage {i + 1} reads stage {j + 1}, a = {a[i, j]:.6g}"
        )
    off = a.sum(axis=1) - tableau.c
    worst = int(np.abs(off).argmax())
    if abs(off[worst]) > TOLERANCE:
        raise ValueError(
            f"{name}: row {worst + 1} of a sums to {a[worst].sum():.10g}, and c is "
            f"{tableau.c[worst]:.10g}: off by {off[worst]:.2g}"
        )
    _check_order(tableau)
    if tableau.error is not None:
        _check_estimate(tableau, widened(tableau)[: s + 1, : s + 1])
    for fraction, ends in ((0.0, np.zeros(s)), (1.0, b)):
        found = dense_weights(tableau, fraction)
        miss = float(np.abs(found - np.pad(ends, (0, len(found) - s))).max())
        if miss > TOLERANCE:
            raise ValueError(
                f"{name}: its dense output at {fraction:g} of a step is not the step's: off by "
                f"{miss:.2g}"
            )


def _check_order(tableau: Tableau) -> None:
    name, a, b = tableau.name, tableau.a, tableau.b
    if tableau.order < 1:
        raise ValueError(f"{name}: the order must be 1 or more, not {tableau.order}")
    for order in range(1, min(tableau.order, HIGHEST_ORDER) + 1):
        chosen = trees(order)
        for tree, value in zip(chosen, weights(chosen, a) @ b, strict=True):
            wanted = 1 / density(tree)
            if not abs(value - wanted) <= TOLERANCE:
                raise ValueError(
                    f"{name} is not of order {tableau.order}: {formula(tree)} is {value:.10g} and "
                    f"not {f'1/{density(tree)}' if tree else 1} (a condition of order {order}): "
                    f"off by {value - wanted:.2g}"
                )


def _check_shapes(tableau: Tableau) -> None:
    name, s = tableau.name, np.size(tableau.b)
    columns = s + 1 + len(tableau.extra)
    shapes = {
        "b": (tableau.b, (s,)),
        "a": (tableau.a, (s, s)),
        "c": (tableau.c, (s,)),
        "dense": (tableau.dense, (len(tableau.dense), columns)),
    }
    if tableau.error is not None:
        shapes["error"] = tableau.error, (len(tableau.error), s + 1)
    for part, (values, shape) in shapes.items():
        if np.shape(values) != shape:
            raise ValueError(
                f"{name}: {part} has shape {np.shape(values)}, not {shape} for {s} stages"
            )
        if np.asarray(values).dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise ValueError(f"{name}: {part} holds what is not a finite real number")


def _check_estimate(tableau: Tableau, a: Array) -> None:
    """Check the order of the error estimate.

    Its weights must sum to zero, as the difference of two consistent methods does; a single
    estimate must also be of the order that it claims.
    """
    assert tableau.error is not None
    for row in tableau.error:
        highest = max(1, tableau.error_order if len(tableau.error) == 1 else 1)
        for order in range(1, min(highest, HIGHEST_ORDER) + 1):
            values = weights(trees(order), a) @ row
            worst = int(np.abs(values).argmax())
            if abs(values[worst]) > TOLERANCE:
                raise ValueError(
                    f"{tableau.name}: its error estimate is not of order {highest}: "
                    f"{formula(trees(order)[worst], 'e')} is {values[worst]:.2g} and not 0"
                )
    if not np.abs(tableau.error).max() > TOLERANCE:
        raise ValueError(f"{tableau.name}: its error estimate is zero for every step")


def formula(tree: Tree, b: str = "b") -> str:
    """Write a condition's left side as a formula: sum(b), b.(c c), b.(c A c), ..."""
    return f"{b}.{_factor(tree)}" if tree else f"sum({b})"


def _factor(tree: Tree) -> str:
    factors = ["c" if not child else f"A {_factor(child)}" for child in tree]
    return factors[0] if len(factors) == 1 else f"({' '.join(factors)})"
