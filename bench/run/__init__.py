"""Measures: meters an estimator, runs a plan cell by cell, and plans what to run."""
