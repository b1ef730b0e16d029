"""Writes files whole, and opens what is a file.

A reader never sees half of what is written, and a program that is cut off never leaves half of it.
"""

import errno
import fcntl
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, content: str | bytes | Iterable[bytes]) -> None:
    """Write under a temporary name in the same folder, then rename. Text is written as UTF-8.

    Large content may come in parts. Whoever writes the same file meanwhile waits. What a killed
    program leaves under the temporary name is overwritten by the next one. Raises OSError, which
    names the file, and then it is what it was.
    """
    if isinstance(content, (str, bytes)):
        content = (content.encode() if isinstance(content, str) else content,)
    with replacing(path) as temporary, temporary.open("r+b") as file:
        file.writelines(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of an empty file, which takes the place of `path` when the block is done.

    Where the block raises, that file is removed. An OSError names `path`.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with _alone(temporary) as file:
            try:
                file.truncate()
                yield temporary
                os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error


def is_unfinished(path: Path) -> bool:
    """Tell whether a file is what `write_whole` was cut off in."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def remove_unfinished(folders: Iterable[Path]) -> None:
    """Remove what was cut off in these folders, and leave what another process is writing."""
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            for path in filter(is_unfinished, list(folder.iterdir())):
                # OSError: it is no file, or its writer holds it, or has just renamed it.
                with suppress(OSError), _alone(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    path.unlink()


@contextmanager
def _alone(path: Path, lock: int = fcntl.LOCK_EX) -> Iterator[BinaryIO]:
    """Open a file for writing that no other process writes; it is made if it is not there."""
    while True:
        # O_NONBLOCK: a named pipe in its place is an error, and not a wait for its reader.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags, 0o644), "wb") as file:
            fcntl.flock(file, lock)
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
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file to read its bytes, without ever waiting.

    Raises OSError if there is none, or if it is a folder, a named pipe or a device.
    """
    _demand_a_file(path, path.stat())  # opening some devices does something
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        _demand_a_file(path, os.fstat(file.fileno()))
        yield file


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Read a file. Raises OSError as `opened`, and if the file has more than `most_bytes`."""
    with opened(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(path))
    return content


def _demand_a_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no file", str(path))
