"""Explicit Runge-Kutta solves of a batch, every lane with its own steps."""
