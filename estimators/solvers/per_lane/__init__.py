"""Solvers of one lane's equation, which are SciPy's or a user's own."""
