"""The measuring: the plan of a sweep, the meter of an estimator, and the sweep, cell by cell."""
