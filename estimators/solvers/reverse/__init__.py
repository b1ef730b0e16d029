"""Discrete adjoints: steps of a forward solve, kept or recomputed, and swept in reverse."""
