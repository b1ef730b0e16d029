"""Implicit Runge-Kutta methods of collocation, and the iteration for their stages."""
