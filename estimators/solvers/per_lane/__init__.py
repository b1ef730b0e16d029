"""Solvers of one lane's equation: SciPy's, and those that users bring."""
