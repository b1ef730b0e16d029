"""Derivatives of a system from its `flow` alone: made, checked against each other, and chosen."""

from gradpareto.systems.derive.derived import Derived, derived

__all__ = ["Derived", "derived"]
