"""Tasks that say where they run."""

import os
import time
from typing import Any

import psutil
from threadpoolctl import threadpool_info


def threads() -> list[int]:
    """Return the numbers of threads of the libraries of linear algebra."""
    import scipy.linalg  # noqa: F401, PLC0415

    return [one["num_threads"] for one in threadpool_info()]


def environment(name: str) -> str | None:
    return os.environ.get(name)


def sleep_for(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def listening(pid: int) -> list[Any]:
    """Return the addresses at which a process listens."""
    found = psutil.Process(pid).net_connections()
    return [one.laddr for one in found if one.status == psutil.CONN_LISTEN]
