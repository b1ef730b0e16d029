"""Runs the tasks of a sweep on processes of this machine, or a Dask cluster."""
