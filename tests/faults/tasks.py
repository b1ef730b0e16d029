"""Tasks that misbehave, for the workers of a pool."""

import os
import sys
from pathlib import Path


def flood(count: int) -> str:
    """Print that many lines of 99 characters, to standard output and standard error alike."""
    for _ in range(count):
        print("x" * 99)
        print("y" * 99, file=sys.stderr)
    return "done"


def raise_it(kind: type[BaseException], text: str) -> None:
    raise kind(text)


def print_surrogate() -> str:
    print("\ud800", file=sys.stderr)
    print("\udfff")
    return "done"


def last_words() -> None:
    print("these were its last words", file=sys.stderr)
    os.abort()


def wait_unless_there(path: Path) -> str:
    """Wait to be killed; the third time, return."""
    tries = len(list(path.iterdir()))
    (path / f"{tries} {os.getpid()}").touch()
    while tries < 2:
        pass
    return "done"
