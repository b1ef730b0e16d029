"""A port: the equations of a system for one sample, in the functions of any array library."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

Vector = Any
"""A vector of the library: it can be sliced, and added to and multiplied by others of its kind."""
Matrix = Any
Scalar = Any


@dataclass(frozen=True)
class Library:
    """The functions of an array library that ports are written in.

    `sin`, `cos` and `tanh` work on vectors and scalars, `dot` on two vectors, and `join` makes one
    vector of vectors and scalars. `matrix` makes a matrix of the given rows and columns out of a
    vector, row by row, and `constant` makes an array of one of NumPy's.
    """

    sin: Callable[[Any], Any]
    cos: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    dot: Callable[[Vector, Vector], Scalar]
    join: Callable[[Sequence[Any]], Vector]
    matrix: Callable[[Vector, int, int], Matrix]
    constant: Callable[[Any], Any]

    @classmethod
    def like_numpy(cls, module: Any, constant: Callable[[Any], Any]) -> Self:
        """Return the functions of a module that names them as NumPy does, but for `constant`."""
        return cls(
            sin=module.sin,
            cos=module.cos,
            tanh=module.tanh,
            dot=module.dot,
            join=module.hstack,
            matrix=lambda vector, rows, columns: vector.reshape(rows, columns),
            constant=constant,
        )


def _itself(library: Library, system: Any, x: Vector) -> Vector:
    return x


def _nothing(library: Library, system: Any, x: Vector) -> Scalar:
    return 0.0


@dataclass(frozen=True)
class Port:
    """The equations of a system without time, for one state x (d,) and one control u (k,).

    Each function takes the library first, and then the system, whose constants it reads: `flow`
    returns x' (d,) and the running cost, `observe` what the policy sees, and `terminal` the
    terminal cost.
    """

    flow: Callable[[Library, Any, Vector, Vector], tuple[Vector, Scalar]]
    observe: Callable[[Library, Any, Vector], Vector] = _itself
    terminal: Callable[[Library, Any, Vector], Scalar] = _nothing
