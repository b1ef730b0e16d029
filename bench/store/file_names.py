"""The names of the files in a run folder, which hold names that a user chose."""

import hashlib
from pathlib import Path
from urllib.parse import quote

from gradpareto.bench.store.unusable import UnusableFolder

LONGEST = 180
"""A file's name may have 255 bytes on most systems, and what is written has more around it."""


def file_stem(*names: str) -> str:
    """Join names by dots, so that different names make different stems, and any name makes one.

    A character that could mean something in a file's name, also a dot, is written as % and its
    code. The end of a long stem is replaced by its hash.
    """
    stem = ".".join(quote(name, safe=" ").replace(".", "%2E") for name in names)
    if len(stem) <= LONGEST:
        return stem
    return f"{stem[: LONGEST - 17]}-{hashlib.sha256(stem.encode()).hexdigest()[:16]}"


def inside(folder: Path, *parts: str) -> Path:
    """Return the path of a file in a folder, or in a folder of it.

    Raises UnusableFolder if it would lie elsewhere, as behind a link.
    """
    path = folder.joinpath(*parts)
    try:
        # The file itself may be a link: it is replaced, and what it points to is not written.
        lies_inside = path.parent.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # links that form a loop
        raise UnusableFolder(f"cannot use {path}: {error}") from error
    if not lies_inside or path.name in ("", ".", ".."):
        raise UnusableFolder(f"{path} is not in {folder}: nothing is read or written there")
    return path
