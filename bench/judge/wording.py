"""Words joined to a list, for sentences."""

from collections.abc import Sequence


def listed(words: Sequence[str]) -> str:
    """Join words by commas, and the last one by "and"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
