"""What runs the tasks of a sweep: processes of this machine, or a Dask cluster."""
