"""Measuring: sweeps, records, frontiers, verdicts, figures, and the command line."""
