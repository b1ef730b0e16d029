"""Families of estimators, told apart by their declarations and not by their names."""

from collections.abc import Callable

from gradpareto.estimators import ESTIMATORS, Declaration

STORES = 0.75
"""The exponent of memory from which on it counts as a stored trajectory."""

FAMILIES: dict[str, Callable[[Declaration], bool]] = {
    "stochastic": lambda d: d.stochastic,
    "forward": lambda d: d.forward_only,
    "discretise first, implicit": lambda d: d.exact and d.iterative,
    "discretise first": lambda d: d.exact and d.memory >= STORES,
    "discretise first, less memory": lambda d: d.exact,
    "adjoint first, implicit": lambda d: d.stiff or d.iterative,
    "adjoint first": lambda d: d.memory >= STORES,
    "adjoint first, less memory": lambda d: True,
}
"""The first that holds is the family."""
UNKNOWN = "not registered"


def family_of(name: str) -> str:
    """The family of a registered estimator; UNKNOWN for a name that is not."""
    estimator = ESTIMATORS.get(name)
    if estimator is None:
        return UNKNOWN
    return next(family for family, holds in FAMILIES.items() if holds(estimator.declares))
