"""Derivatives of a row function by SymPy: it is run on symbols, and the product becomes code.

The symbols are entries of NumPy's arrays of objects, of which slicing, stacking and sums work as
ever. A ufunc calls the entries' method of its name: `np.sin(x)` calls `Symbolic.sin`.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gradpareto.systems.derive.row_function import RowFunction, Rows, Untraceable
from gradpareto.systems.system import Array

MOST_OPERATIONS = 20_000
"""The operations of an expression beyond which its derivatives take minutes."""
BY_VALUE = "it chooses by a value that is not known beforehand, as a comparison does"


class Symbolic:
    """An expression of SymPy's as a number of NumPy's; `size` bounds the operations in it."""

    __slots__ = ("expression", "size")

    def __init__(self, expression: Any, size: int = 1) -> None:
        if size > MOST_OPERATIONS:
            raise Untraceable(f"its expressions have more than {MOST_OPERATIONS:,} operations")
        self.expression, self.size = expression, size

    @property
    def real(self) -> "Symbolic":
        return self

    @property
    def imag(self) -> int:
        return 0

    def conjugate(self) -> "Symbolic":
        return self

    def _refused(self, *_: Any) -> Any:
        raise Untraceable(BY_VALUE)

    __bool__ = __float__ = __int__ = __complex__ = __index__ = _refused
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refused
    __hash__ = None  # type: ignore[assignment]


def _operation(function: Callable[..., Any], swapped: bool = False) -> Callable[..., Any]:
    def method(*given: Any) -> Any:
        parts = [part for one in given if (part := _symbolic(one)) is not None]
        if len(parts) < len(given):
            return NotImplemented
        size = 1 + sum(part.size for part in parts)
        expressions = [part.expression for part in (reversed(parts) if swapped else parts)]
        return Symbolic(function(*expressions), size)

    return method


def _symbolic(value: Any) -> Symbolic | None:
    import sympy  # noqa: PLC0415 (half a second)

    if isinstance(value, Symbolic):
        return value
    if not isinstance(value, (int, float, np.number, np.bool_)):
        return None
    if not np.isfinite(value) or isinstance(value, (complex, np.complexfloating)):
        raise Untraceable(f"it computes with {value}, which is no finite real number")
    whole = int(value)
    return Symbolic(sympy.Integer(whole) if whole == value else sympy.Float(repr(float(value)), 17))


@cache
def _give_operations() -> None:
    """Give Symbolic its operators and the methods that NumPy's ufuncs call, once SymPy is there."""
    for name, function in _operators().items():
        setattr(Symbolic, f"__{name}__", _operation(function))
        setattr(Symbolic, f"__r{name}__", _operation(function, swapped=True))
    for name, function in _ufuncs().items():
        setattr(Symbolic, name, _operation(function))


def _operators() -> dict[str, Callable[..., Any]]:
    return {
        "add": lambda x, y: x + y,
        "sub": lambda x, y: x - y,
        "mul": lambda x, y: x * y,
        "truediv": lambda x, y: x / y,
        "pow": lambda x, y: x**y,
    }


def _ufuncs() -> dict[str, Callable[..., Any]]:
    import sympy  # noqa: PLC0415
    from sympy.codegen import cfunctions  # noqa: PLC0415

    alike = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt")
    precise = ("expm1", "log1p", "exp2", "log2", "log10")
    return {
        **{name: getattr(sympy, name) for name in alike},
        **{name: getattr(cfunctions, name) for name in precise},
        "__neg__": lambda x: -x,
        "__pos__": lambda x: x,
        "__abs__": sympy.Abs,
        "fabs": sympy.Abs,
        "arcsin": sympy.asin,
        "arccos": sympy.acos,
        "arctan": sympy.atan,
        "arctan2": sympy.atan2,
        "arcsinh": sympy.asinh,
        "arccosh": sympy.acosh,
        "arctanh": sympy.atanh,
        "hypot": lambda x, y: sympy.sqrt(x * x + y * y),
        "radians": lambda x: x * sympy.pi / 180,
        "deg2rad": lambda x: x * sympy.pi / 180,
        "degrees": lambda x: x * 180 / sympy.pi,
        "rad2deg": lambda x: x * 180 / sympy.pi,
    }


class SourceProduct:
    """A vector-Jacobian product as source text, which a process runs without SymPy.

    The text defines a function of t, the contexts, the inputs and the cotangents, all (R,).
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def __call__(self, context: Array | None, t: Array, z: Array, a: Array) -> Array:
        columns = [t, *(() if context is None else context.T), *z.T.copy(), *a.T.copy()]
        product = np.empty(z.shape, dtype=np.result_type(z, a))
        for number, column in enumerate(_function(self.source)(*columns)):
            product[:, number] = column
        return product


@cache
def _function(source: str) -> Callable[..., Any]:
    names = dict(vars(np))
    exec(source, names)
    function: Callable[..., Any] = names["_lambdifygenerated"]
    return function


def by_sympy(function: RowFunction, at: Rows) -> SourceProduct:
    """Make the product of a function by SymPy.

    Raises Untraceable if the function does what symbols cannot, and ImportError without SymPy.
    """
    import sympy  # noqa: PLC0415

    _give_operations()
    contexts = 0 if at.context is None else at.context.shape[1]
    t, c, z = (
        [sympy.Symbol(f"{name}{k}", real=True) for k in range(count)]
        for name, count in (("t", 1), ("c", contexts), ("z", at.z.shape[1]))
    )
    found = function(_row(c) if contexts else None, _row(t)[0], _row(z))
    outputs = np.asarray(found, dtype=object).ravel()
    expressions = [one.expression for given in outputs if (one := _symbolic(given)) is not None]
    if len(expressions) < len(outputs):
        raise Untraceable("it returns what is neither a number nor made of its inputs")
    a = [sympy.Symbol(f"a{k}", real=True) for k in range(len(expressions))]
    pairs = list(zip(a, expressions, strict=True))
    product = [sum(cotangent * one.diff(by) for cotangent, one in pairs) for by in z]
    made = sympy.lambdify([*t, *c, *z, *a], product, modules="numpy", cse=True)
    return SourceProduct(inspect.getsource(made))


def _row(symbols: list[Any]) -> Array:
    """Return one row (1, n) of symbols."""
    row = np.empty((1, len(symbols)), dtype=object)
    row[0] = [Symbolic(symbol) for symbol in symbols]
    return row
