"""The number of the processor's cores, for workers that share none."""

import os

import psutil


def cores() -> int:
    """Return how many cores this process may use, 1 if that is not known.

    Two logical processors of one core slow each other down (simultaneous multithreading), so that
    a core counts once.
    """
    whole = psutil.cpu_count(logical=False) or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else whole
    return min(whole, allowed)
