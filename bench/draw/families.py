"""Families of estimators: what an estimator is, by its declarations and not by its name."""

from collections.abc import Callable

from gradpareto.estimators import ESTIMATORS, Estimator

STORES = 0.75
"""The exponent of memory from which on it counts as a stored trajectory."""

FAMILIES: dict[str, Callable[[Estimator], bool]] = {
    "stochastic": lambda e: e.stochastic,
    "forward": lambda e: e.forward_only,
    "discretise first, implicit": lambda e: e.exact and e.iterative,
    "discretise first": lambda e: e.exact and e.memory >= STORES,
    "discretise first, less memory": lambda e: e.exact,
    "adjoint first, implicit": lambda e: e.stiff or e.iterative,
    "adjoint first": lambda e: e.memory >= STORES,
    "adjoint first, less memory": lambda e: True,
}
"""The first that holds is the family."""
UNKNOWN = "not registered"


def family_of(name: str) -> str:
    """The family of a registered estimator; UNKNOWN for a name that is not."""
    estimator = ESTIMATORS.get(name)
    if estimator is None:
        return UNKNOWN
    return next(family for family, holds in FAMILIES.items() if holds(estimator))
