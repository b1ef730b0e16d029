"""The answer to a name that is not known: the nearest one that is."""

import difflib
from collections.abc import Iterable

SEE_LIST = "; see gradpareto list"
"""The end of a message about an unknown system, preset or estimator, if no known name is near."""


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """`: did you mean 'this'?`, to end a message with, or nothing if no known name is near.

    A name is near from a `likeness` on, between 0 and 1 (the same).
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f": did you mean {near[0]!r}?" if near else ""
