"""Derivatives of a row function by HIPS autograd: reverse mode, at each call.

The function runs on arrays that answer NumPy's own functions, since autograd has a NumPy of its own
which the function does not call.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gradpareto.systems.derive.filled_arrays import filled_with
from gradpareto.systems.derive.row_function import RowFunction, Rows, Untraceable
from gradpareto.systems.system import Array

_LIKE = {"empty_like", "zeros_like", "ones_like", "full_like"}
_OF_VALUES = {
    "result_type",
    "shape",
    "ndim",
    "size",
    "iscomplexobj",
    "isrealobj",
    "broadcast_shapes",
}


class Taped(NDArrayOperatorsMixin):
    """An array whose operations autograd records. Items can be assigned to it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **named: Any) -> Any:
        name = {"__call__": ufunc.__name__, "reduce": _REDUCED.get(ufunc.__name__)}.get(method)
        out = named.pop("out", None)
        if name == "conjugate":
            return self
        found = _call(name or f"{ufunc.__name__}.{method}", given, named)
        if out is None:
            return found
        out[0][...] = found
        return out[0]

    def __array_function__(self, function: Any, types: Any, given: Any, named: Any) -> Any:
        name = function.__name__
        if name in _OF_VALUES | _LIKE:
            found = function(*_plain(given), **_plain(named))
            return Taped(found) if name in _LIKE else found
        module = function.__module__.removeprefix("numpy").strip(".")
        return _call(f"{module}.{name}" if module in ("linalg", "fft") else name, given, named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in ("shape", "dtype", "ndim", "size"):
            return getattr(_plain(self), name)
        if name == "T":
            return _call("transpose", (self,), {})
        if name == "real":
            return self
        if name in ("copy", "astype", "conj"):
            return lambda *given, **named: Taped(self.value)
        if name == "reshape":  # of a shape, or of its numbers
            return lambda *shape: _call(name, (self, shape[0] if len(shape) == 1 else shape), {})
        return lambda *given, **named: _call(name, (self, *given), named)

    def __array__(self, *given: Any, **named: Any) -> Array:
        raise Untraceable("it writes what depends on its inputs into an array made without them")

    def __float__(self) -> float:
        raise Untraceable("it takes one number out of an array")

    __int__ = __bool__ = __float__

    def __len__(self) -> int:
        return len(_plain(self))

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return Taped(self.value[_plain(key)])

    def __setitem__(self, key: Any, new: Any) -> None:
        from autograd import numpy as anp  # noqa: PLC0415

        places = np.arange(self.size).reshape(self.shape)
        chosen = places[_plain(key)]
        values = anp.broadcast_to(_raw(new), chosen.shape)
        order = places.ravel().copy()
        order[chosen.ravel()] = self.size + np.arange(chosen.size)
        both = anp.concatenate([anp.ravel(self.value), anp.ravel(values)])
        self.value = anp.reshape(both[order], self.shape)


_REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


def _call(name: str, given: Any, named: Any) -> Any:
    """Call autograd's function of a name. Raises Untraceable if it has none that is recorded."""
    from autograd import numpy as anp  # noqa: PLC0415

    function: Any = anp
    for part in name.split("."):
        function = getattr(function, part, None)
    if function is None:
        raise Untraceable(f"autograd has no {name}")
    # autograd's gradients take no dtype, and have that of the function's inputs.
    named = {key: one for key, one in named.items() if one is not None and key != "dtype"}
    try:
        return _taped(function(*_raw(given), **_raw(named)))
    except NotImplementedError as error:
        raise Untraceable(f"autograd cannot differentiate {name}") from error


def _raw(value: Any) -> Any:
    if isinstance(value, Taped):
        return value.value
    if isinstance(value, (tuple, list)):
        return type(value)(map(_raw, value))
    return {key: _raw(one) for key, one in value.items()} if isinstance(value, dict) else value


def _plain(value: Any) -> Any:
    """Return a value without what autograd records of it."""
    from autograd.extend import Box  # noqa: PLC0415

    value = _raw(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    while isinstance(value, Box):
        value = value._value
    return value


def _taped(value: Any) -> Any:
    from autograd.extend import Box  # noqa: PLC0415

    if isinstance(value, (tuple, list)):
        return type(value)(map(_taped, value))
    is_recorded = isinstance(value, Box) and np.ndim(_plain(value)) >= 0
    return Taped(value) if is_recorded else value


@dataclass(frozen=True)
class Reverse:
    """The vector-Jacobian product of a function by autograd, which runs it at each call."""

    function: RowFunction

    def __call__(self, context: Array | None, t: Array, z: Array, a: Array) -> Array:
        from autograd.core import make_vjp  # noqa: PLC0415

        def outputs(z: Any) -> Any:
            with filled_with(self.function.system, _recorded):
                inputs: Any = Taped(z)
                return _raw(self.function(context, t, inputs))

        product, found = make_vjp(outputs, z)
        if not isinstance(found, np.ndarray):
            raise Untraceable("it returns what is no array")
        return np.asarray(product(a.astype(found.dtype, copy=False)))


def _recorded(function: Any, *given: Any, **named: Any) -> Taped:
    return Taped(function(*given, **named))


def by_autograd(function: RowFunction, at: Rows) -> Reverse:
    """Make the product of a function by autograd, and call it once.

    Raises Untraceable if the function does what autograd cannot, and ImportError without it.
    """
    import autograd  # noqa: F401, PLC0415

    made = Reverse(function)
    made(at.context, at.t, at.z, np.ones_like(function(at.context, at.t, at.z)))
    return made
