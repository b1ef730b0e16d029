"""Keeps memory that arrays have freed for the arrays that come next."""

import numpy as np

LARGEST = 31 * 2**20
"""Bytes: glibc adapts itself to freed chunks of up to 32 MiB."""


def keep_freed_memory() -> None:
    """Have the C library keep what arrays free, where it would give it back to the system.

    glibc returns the top of its heap once more than 128 kB are free there, and asks for it again at
    the next array: the page faults of a pullback of 256 rows took as long as its arithmetic. A
    larger chunk that is freed once raises the bounds for good, to 31 and 62 MiB (mallopt(3),
    M_MMAP_THRESHOLD). Other C libraries do not notice.
    """
    np.empty(LARGEST, np.uint8)
