"""Pure functions from records to frontiers, verdicts and tables."""
