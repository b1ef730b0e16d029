"""One BLAS thread a process, set before NumPy is imported.

The matrices here are small, and a second thread waits for the next of them in a loop: that doubled
the tests' processor time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
