"""The answer to a name that is not known: the nearest one that is."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'this'?`, to end a message with, or nothing if no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.3)
    return f": did you mean {near[0]!r}?" if near else ""
