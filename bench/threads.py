"""The environment variables that hold linear algebra to one thread."""

ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""They concern what is loaded from then on; `threadpool_limits` concerns what is loaded already."""
