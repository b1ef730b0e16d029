"""Texts by which values are told apart."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from gradpareto.systems.system import Array
from gradpareto.systems.value_sources import KEPT

_HEAP = 1 << 9
"""CPython's flag of a class that a class statement made."""


def describe(value: object) -> str:
    """Return a text that differs whenever the value does.

    A class or a function is described by its name: what it does is in its source. Raises TypeError
    for a value of a type that is not known, and for a class or a function made inside a function,
    of which there may be several with one name.
    """
    for kinds, text in _TEXTS:
        if isinstance(value, kinds):
            return text(value)
    if (held := _held(value)) is not None:
        inside = (f"{name}={describe(one)}" for name, one in held.items())
        return f"{_name(type(value))}({', '.join(inside)})"
    raise TypeError(f"cannot tell one {type(value).__name__} from another: make it a dataclass")


def _held(value: object) -> dict[str, object] | None:
    """Return what tells an object from another of its class, or None if that is not known.

    It is in the fields of a dataclass, and in the attributes of an object of a class in Python that
    keeps nothing elsewhere.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    kinds = type(value).__mro__[:-1]
    in_python = all(kind.__flags__ & _HEAP and not vars(kind).get("__slots__") for kind in kinds)
    return dict(vars(value)) if in_python and hasattr(value, "__dict__") else None


def _array(value: Array) -> str:
    if value.dtype.hasobject:
        raise TypeError("cannot tell one array of Python objects from another")
    content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return f"array {value.dtype.str} {value.shape} {content}"


def _mapping(value: Mapping[object, object]) -> str:
    pairs = (f"{describe(key)}: {describe(held)}" for key, held in value.items())
    return f"{type(value).__name__}({', '.join(pairs)})"


def _name(value: Any) -> str:
    if "<" in value.__qualname__:
        raise TypeError(
            f"cannot tell one {value.__qualname__} from another: define it at the top of a module"
        )
    module = value.__module__.replace("__mp_main__", "__main__")  # the script in a worker process
    return f"{module}.{value.__qualname__}"


_TEXTS: tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...] = (
    ((np.ndarray,), _array),
    ((type, FunctionType, KEPT), lambda value: f"{type(value).__name__} {_name(value)}"),
    ((MethodType,), lambda value: f"{describe(value.__func__)} of {describe(value.__self__)}"),
    ((partial,), lambda value: f"partial{describe((value.func, value.args, value.keywords))}"),
    ((tuple, list), lambda value: f"{type(value).__name__}({', '.join(map(describe, value))})"),
    ((Mapping,), _mapping),
    (
        (bool, int, float, complex, str, bytes, np.generic, np.ufunc, Enum, PurePath, type(None)),
        repr,
    ),
)
"""The types that are described, each with a function that describes a value of it."""
