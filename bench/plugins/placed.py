"""The place of a plug-in's file on this machine."""

import os
from pathlib import Path

ROOT = "GRADPARETO_LUGGAGE"
"""The environment variable that names the folder below which a worker has the files of plug-ins."""


def placed(path: str | Path, must_exist: bool = True) -> Path:
    """Return where a file is that was sent here, or else the path as it is."""
    root = os.environ.get(ROOT)
    if root is None:
        return Path(path)
    there = Path(root, *Path(path).parts[1:])
    return there if there.exists() or not must_exist else Path(path)
