"""Tableaus of implicit Runge-Kutta methods: collocation at Gauss-Legendre or Radau nodes.

    X_i = x + h sum_j a_ij f(X_j),  x+ = x + h sum_i b_i f(X_i),  a_ij = int_0^c_i l_j

The Lagrange polynomials l_j of the nodes are expanded in Legendre's (Hairer and Wanner 1996, IV.5),
which stays accurate at hundreds of nodes, where powers of c would not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
import scipy

from gradpareto.systems import Array

FEW, KEPT = 16, 64
"""A tableau of few nodes evaluates its polynomials at the same points again and again: this number
of matrices is kept."""


@dataclass(frozen=True, eq=False)
class CollocationTableau:
    """The collocation method of nodes c (s,) in (0, 1] with quadrature weights b (s,)."""

    order: int
    c: Array
    b: Array

    @cached_property
    def a(self) -> Array:
        """The coefficients a_ij (s, s) of the stages."""
        return self.integrals(self.c)

    @cached_property
    def ends(self) -> Array:
        """Weights (s,) for which x+ = x + sum_i ends_i (X_i - x).

        They leave f out, which multiplies rounding where it is stiff.
        """
        return np.linalg.solve(self.a.T, self.b)

    @cached_property
    def expansion(self) -> Array:
        """The coefficient (s, s) of l_j in Legendre's polynomial P_k, at [k, j].

        The rule integrates products of two of them exactly, which makes these coefficients mere
        sums.
        """
        degrees = 2 * np.arange(len(self.c)) + 1
        return degrees[:, None] * _legendre(self.c, len(self.c)).T * self.b

    def values(self, at: Array) -> Array:
        """Evaluate l_j at the points (m,): (m, s)."""
        return np.asarray(_legendre(at, len(self.c)) @ self.expansion)

    def integrals(self, at: Array) -> Array:
        """Integrate l_j from 0 to the points (m,): (m, s)."""
        basis = _legendre(at, len(self.c) + 1)
        integrals = np.empty((len(at), len(self.c)))
        integrals[:, 0] = at
        degrees = 2 * np.arange(1, len(self.c)) + 1
        integrals[:, 1:] = (basis[:, 2:] - basis[:, :-2]) / (2 * degrees)
        return integrals @ self.expansion

    def integrals_at(self, at: Array) -> Array:
        """Return `integrals` at points (m,), kept for the next time if there are few nodes."""
        if len(self.c) > FEW:
            return self.integrals(at)
        return _kept_integrals(self, at.tobytes())

    def values_at(self, at: Array) -> Array:
        """Return `values` at points (m,), kept for the next time if there are few nodes."""
        if len(self.c) > FEW:
            return self.values(at)
        return _kept_values(self, at.tobytes())


@lru_cache(maxsize=KEPT)
def _kept_values(tableau: CollocationTableau, at: bytes) -> Array:
    return tableau.values(np.frombuffer(at))


@lru_cache(maxsize=KEPT)
def _kept_integrals(tableau: CollocationTableau, at: bytes) -> Array:
    return tableau.integrals(np.frombuffer(at))


def _legendre(at: Array, count: int) -> Array:
    return np.polynomial.legendre.legvander(2 * at - 1, count - 1)


@cache
def gauss(stages: int) -> CollocationTableau:
    """Return the Gauss-Legendre method: order 2s, symplectic (Butcher 1964)."""
    nodes, weights = np.polynomial.legendre.leggauss(stages)
    return CollocationTableau(2 * stages, (nodes + 1) / 2, weights / 2)


@cache
def radau(stages: int) -> CollocationTableau:
    """Return Radau IIA: order 2s - 1, L-stable, its last node is the step's end (Ehle 1969)."""
    nodes, weights = (
        (np.empty(0), np.empty(0)) if stages == 1 else scipy.special.roots_jacobi(stages - 1, 1, 0)
    )
    c = np.append((nodes + 1) / 2, 1.0)
    return CollocationTableau(
        2 * stages - 1, c, np.append(weights / (1 - nodes) / 2, 1 / stages**2)
    )


Family = Callable[[int], CollocationTableau]
