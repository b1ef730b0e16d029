"""The right-hand side of a batched initial-value problem y' = rhs(t, y), as solvers call it."""

from collections.abc import Callable

from gradpareto.systems import Array, Factors

RightHandSide = Callable[..., tuple[Array, Factors]]
"""lane (R,), t (R,), y (R, m), and a `Path`'s values (R, k) if there is one -> slopes (R, m) and an
integrand, in factors of R rows each."""

Path = Callable[[Array, Array], Array]
"""lane (R,), t (..., R) -> values (..., R, k) that do not depend on y, such as the states along
which an adjoint is solved. A Runge-Kutta method asks for those of all its stages at once."""
