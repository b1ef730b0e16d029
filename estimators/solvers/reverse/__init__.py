"""Discrete adjoints: how steps are kept or taken again, and swept in reverse."""
