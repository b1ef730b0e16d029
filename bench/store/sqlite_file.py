"""Opens SQLite files that others may have written, without running anything that they hold."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import opened

COMPANIONS = ("-wal", "-shm", "-journal")
"""The ends of the names of files that SQLite keeps beside its own while it is written."""
WAIT_SECONDS = 30.0
"""A reader waits as long as this while the file is being changed."""


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raise UnusableFolder, in a line, for whatever SQLite or the disk complains of."""
    try:
        yield
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        # It may quote what the file holds.
        words = " ".join(str(error).encode("ascii", "replace").decode().split())
        raise UnusableFolder(f"cannot use {path}: {words[:200]}") from error
    except OSError as error:
        raise UnusableFolder(f"cannot use {path}: {error.strerror}") from error


@contextmanager
def connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open a file with SQLite, to read it ("ro") or to write it as well ("rw").

    Raises UnusableFolder if it, or a file that SQLite keeps beside it, is no regular file.
    """
    for file in (path, *(path.with_name(path.name + end) for end in COMPANIONS)):
        if file == path or os.path.lexists(file):
            with told(file), opened(file):
                pass
        if file.is_symlink():  # SQLite would write elsewhere
            raise UnusableFolder(f"cannot use {file}: it is a link")
    with told(path):
        place = f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(place, timeout=WAIT_SECONDS, isolation_level=None, uri=True)
    try:
        with told(path):
            # Nothing that the file itself holds may be executed.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
        yield connection
    finally:
        with suppress(sqlite3.Error):
            connection.close()
