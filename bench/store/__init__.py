"""The records of a run, the folder that holds them, and their provenance."""
