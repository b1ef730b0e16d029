"""The names of the files in a run folder, which hold names that a user chose."""

import hashlib
from urllib.parse import quote

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
