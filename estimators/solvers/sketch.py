"""Random projections of theta-cotangents, which judge their errors without forming them.

    sketch_k = sum over layers of (r_k . delta) (s_k . (input, 1)),  r, s random signs

It is a rank-one Johnson-Lindenstrauss map (Pham and Pagh 2013).
"""

from functools import cache

import numpy as np

from gradpareto.systems import Array, Factors

SIZE = 16
"""The norm of a sketch of this size is that of the cotangent within about sqrt(2 / SIZE) of it."""
_SEED = 0


def sketch(factors: Factors) -> Array:
    """Project theta-cotangents of R rows, given in factors, to sketches (R, SIZE).

    The projection is linear in the cotangent, and the square of a sketch is expected to be the
    squared norm of the cotangent.
    """
    rows, precision = len(factors[0]), factors[0].dtype
    total = np.zeros((rows, SIZE), precision)
    signs = _signs(tuple(part.shape[1] for part in factors), precision)
    for delta, inputs, (left, right) in zip(factors[::2], factors[1::2], signs, strict=True):
        total += (delta @ left) * (inputs @ right[:-1] + right[-1])
    return np.asarray(total / np.sqrt(SIZE).astype(precision))


@cache
def _signs(widths: tuple[int, ...], precision: np.dtype) -> list[tuple[Array, Array]]:
    """Draw the random signs of each layer.

    They are (out, SIZE) for its output's cotangent, and (in + 1, SIZE) for its input and a 1.
    """
    rng = np.random.default_rng(_SEED)

    def draw(width: int) -> Array:
        return rng.choice([-1.0, 1.0], (width, SIZE)).astype(precision)

    return [
        (draw(out), draw(into + 1)) for out, into in zip(widths[::2], widths[1::2], strict=True)
    ]
