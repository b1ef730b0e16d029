"""Writes files whole, and opens what is a file.

A reader never sees half of what is written, and a program that is cut off never leaves half of it.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, content: str | bytes) -> None:
    """Write under a temporary name in the same folder, then rename. Text is written as UTF-8.

    Whoever writes the same file meanwhile waits. What a killed program leaves under the temporary
    name is overwritten by the next one. Raises OSError, and then the file is what it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with _alone(temporary) as file:
        try:
            file.truncate()
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def is_unfinished(path: Path) -> bool:
    """Tell whether a file is what `write_whole` was cut off in."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that no other process writes; it is made if it is not there."""
    while True:
        # O_NONBLOCK: a named pipe in its place is an error, and not a wait for its reader.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags, 0o644), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):
                yield file
                return


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Tell whether an open file is at this path, and was not renamed while it was waited for."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read its bytes, without ever waiting.

    Raises OSError if there is none, or if it is a folder, a named pipe or a device.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        yield file
