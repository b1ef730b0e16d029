"""Solvers of one differential equation, and the reverse sweeps through their steps."""
