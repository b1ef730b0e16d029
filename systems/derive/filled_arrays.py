"""Arrays that a system's module makes with `np.zeros` and its like, and fills, while it is traced.

Such an array is of floats, and would take neither a symbol nor a complex number. NumPy itself stays
as it is, since its own and other libraries' code makes arrays of floats that have to be such.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from gradpareto.systems.system import Array

FILLED = ("empty", "zeros", "ones", "full")


@contextmanager
def filled_with(system: object, made: Callable[..., Any]) -> Iterator[None]:
    """Have `made` be called where the system's modules make an array of floats to be filled.

    It is given the function of NumPy's, and what that was called with.
    """
    instead = {getattr(np, name): _instead(getattr(np, name), made) for name in FILLED}
    proxy = _Numpy("numpy")
    vars(proxy).update({raw.__name__: make for raw, make in instead.items()})
    names = {kind.__module__ for kind in type(system).__mro__[:-1]}
    held = [
        (vars(module), name, value)
        for module in map(sys.modules.get, names)
        if module is not None
        for name, value in vars(module).items()
        if value is np or any(value is raw for raw in instead)
    ]
    try:
        for module, name, value in held:
            module[name] = proxy if value is np else instead[value]
        yield
    finally:
        for module, name, value in held:
            module[name] = value


def filled_like(system: object, *given: Array) -> AbstractContextManager[None]:
    """Have the system's modules make complex arrays if a given one is, or arrays of objects.

    A complex step, or a symbol, then goes through a method that fills an array of its own.
    """
    dtype = np.result_type(*given)
    if dtype.kind not in "cO":
        return nullcontext()
    return filled_with(system, partial(_called, dtype=dtype))


class _Numpy(ModuleType):
    """NumPy, but for the functions that are put in their place."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _instead(raw: Callable[..., Any], made: Callable[..., Any]) -> Callable[..., Any]:
    def make(*given: Any, dtype: Any = None, **named: Any) -> Any:
        if dtype is None or np.dtype(dtype).kind == "f":
            return made(raw, *given, **named)
        return raw(*given, dtype=dtype, **named)

    return make


def _called(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    return function(*given, **named)
