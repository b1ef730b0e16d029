"""Calls of what a user wrote: an exception, or a result that is unusable, names who is at fault."""

import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from gradpareto.systems.faults import Unsound, method_of, raised, written
from gradpareto.systems.system import Array, System

METHODS = tuple(name for name, value in vars(System).items() if callable(value))
"""The names of the methods that a system may define."""
UNTOUCHED = (Unsound, MemoryError, FloatingPointError, Warning)
"""Exceptions that pass as they are: an estimator that asks NumPy to raise the last two expects
them, and memory has a budget of its own."""


class HasSystem(Protocol):
    """A problem."""

    @property
    def system(self) -> System: ...


Asked = TypeVar("Asked", bound=HasSystem)
Given = ParamSpec("Given")
Result = TypeVar("Result")


def blaming(
    oracle: Callable[Concatenate[Asked, Given], Result],
) -> Callable[Concatenate[Asked, Given], Result]:
    """Have Unsound say which of its system's methods raised in an oracle of a problem."""

    @wraps(oracle)
    def call(problem: Asked, /, *given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return oracle(problem, *given, **named)
        except Exception as error:
            blame(problem.system, error)
            raise

    return call


def blame(system: System, error: Exception) -> None:
    """Raise Unsound from an error if it was raised in one of the system's own methods.

    The message names the outermost method of those that were running.
    """
    if isinstance(error, UNTOUCHED):
        return
    kind = type(written(system))
    found = {getattr(getattr(kind, name, None), "__code__", None): name for name in METHODS}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if name := found.get(frame.f_code):
            raise raised(system, name, error) from error


def drawn(system: System, method: str, *given: Any, shape: tuple[int, ...]) -> Array:
    """Call a method that draws numbers at random. Raises Unsound, also if the draw is unusable."""
    try:
        found = getattr(system, method)(*given)
    except Exception as error:
        raise raised(system, method, error) from error
    return finite(method_of(system, method), found, shape)


def made(what: str, function: Callable[..., object], *given: Any, shape: tuple[int, ...]) -> Array:
    """Call a function that makes numbers. Raises Unsound, also if the numbers are unusable.

    The message says `what` the function is.
    """
    try:
        found = function(*given)
    except Exception as error:
        calls = traceback.extract_tb(error.__traceback__)[1:2]
        place = "".join(f" ({Path(call.filename).name}, line {call.lineno})" for call in calls)
        line = (str(error).splitlines() or [""])[0]
        raise Unsound(f"{what}{place} raised {type(error).__name__}: {line}") from error
    return finite(what, found, shape)


def finite(what: str, given: Any, shape: tuple[int, ...]) -> Array:
    """Return what was returned, as an array of floats.

    Raises Unsound, which says `what` returned it, if it has another shape, or holds anything but
    finite real numbers.
    """
    try:
        found = np.asarray(given)
    except ValueError as error:
        raise Unsound(f"{what} returned what is no array: {error}") from error
    if found.shape != shape:
        raise Unsound(f"{what} returned an array of shape {found.shape}, not {shape}")
    if found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise Unsound(
            f"{what} returned an array of {found.dtype} with more in it than finite real numbers"
        )
    return found if found.dtype.kind == "f" else found.astype(float)
