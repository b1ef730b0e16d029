"""The version of the code that measures, which a coordinator and its workers have in common."""

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "scipy")
"""The libraries on whose versions the last bits of a number depend."""
FOLDERS = ("bench", "estimators", "reference", "systems")
KINDS = (".py", ".npz")


@cache
def code_version() -> Mapping[str, str]:
    """Return the digest of the package's sources, and the versions of what they run on."""
    found = hashlib.sha256()
    for name in FOLDERS:
        folder = Path(import_module(f"gradpareto.{name}").__path__[0]).resolve()
        for path in sorted(folder.rglob("*")):
            if path.suffix in KINDS:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                found.update(f"{name}/{path.relative_to(folder).as_posix()} {content}\n".encode())
    libraries = {name: version(name) for name in LIBRARIES}
    return {"gradpareto": found.hexdigest()[:12], "python": platform.python_version(), **libraries}


def difference(there: object, here: Mapping[str, str]) -> str:
    """Say in which part the version of a worker differs from that here; "" if it is the same."""
    if not isinstance(there, Mapping):
        return "it has no gradpareto, or one of another version"
    for name, own in here.items():
        if there.get(name) != own:
            return f"{name} is {there.get(name)} there, and {own} here"
    return ""
