"""The processor's cores, for workers that share none."""

import os
from pathlib import Path

SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def separate_cores() -> list[int]:
    """Return one logical processor of each core that this process may use; none if unknown.

    Two logical processors of one core slow each other down (simultaneous multithreading).
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    first: dict[str, int] = {}
    for number in sorted(os.sched_getaffinity(0)):
        path = Path(SIBLINGS.format(number))
        if not path.is_file():
            return []
        first.setdefault(path.read_text(encoding="ascii").strip(), number)
    return list(first.values())
