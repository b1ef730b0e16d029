"""The lock of a folder, so that one process at a time measures into it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import opened

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, after waiting for it if need be, which is said on standard error.

    The operating system frees it when the process ends, however it does. Raises UnusableFolder if
    there can be no lock here.
    """
    path = folder / NAME
    try:
        if path.is_symlink():
            raise UnusableFolder(f"cannot lock {path}: it is a link")
        if path.exists():
            with opened(path):
                pass
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            told = f"another process measures into {folder}: waiting until it has ended"
            print(told, file=sys.stderr, flush=True)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise UnusableFolder(f"cannot lock {path}: {error}") from error
    try:
        yield
    finally:
        lock.release()
