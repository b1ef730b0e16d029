"""Implicit collocation and the iteration for its stages."""
