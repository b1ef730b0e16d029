"""Faults of a system that somebody wrote: which method it was, in which file and line."""

import inspect
import traceback
from pathlib import Path


class Unsound(ValueError):  # noqa: N818
    """A system's method breaks its contract; the message names the method and says how."""


def written(system: object) -> object:
    """Return the object whose methods a person wrote: the system, unless it is made of another."""
    return getattr(system, "written", system)


def method_of(system: object, method: str) -> str:
    """Name a method with its class and the file that defines it: `flow of Pendulum (swing.py)`."""
    kind = type(written(system))
    owner = next((base for base in kind.__mro__ if method in vars(base)), kind)
    return f"{method} of {kind.__name__} ({_file_of(owner)})"


def raised(system: object, method: str, error: Exception) -> Unsound:
    """Return the fault of a method that raised: the line of the system's own file where it did."""
    kind = type(written(system))
    files = {_file_of(base) for base in kind.__mro__[:-1]} - {"system.py"}
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).name in files]
    where = f", line {own[-1].lineno}" if own else ""
    line = (str(error).splitlines() or [""])[0]
    name = method_of(system, method).removesuffix(")")
    return Unsound(f"{name}{where}) raised {type(error).__name__}: {line}")


def _file_of(kind: type) -> str:
    try:
        return Path(inspect.getfile(kind)).name
    except (OSError, TypeError):
        return "no file"
