"""A few numbers that stand for a theta-cotangent of P, for judging errors without forming it."""

from functools import cache

import numpy as np

from gradpareto.systems import Array, Factors

SIZE = 16
"""The norm of a sketch is that of the cotangent within about sqrt(2 / SIZE) of it."""
_SEED = 0


def sketch(factors: Factors) -> Array:
    """Random projections (R, SIZE) of theta-cotangents of R rows, given in factors.

    Each is sum_l (r_l . delta_l) (s_l . (input_l, 1)) with fixed random signs r, s: linear in the
    cotangent, and its square is expected to be the cotangent's squared norm (a rank-one
    Johnson-Lindenstrauss map, Pham and Pagh 2013).
    """
    rows, precision = len(factors[0]), factors[0].dtype
    total = np.zeros((rows, SIZE), precision)
    signs = _signs(tuple(part.shape[1] for part in factors), precision)
    for delta, inputs, (left, right) in zip(factors[::2], factors[1::2], signs, strict=True):
        total += (delta @ left) * (inputs @ right[:-1] + right[-1])
    return np.asarray(total / np.sqrt(SIZE).astype(precision))


@cache
def _signs(widths: tuple[int, ...], precision: np.dtype) -> list[tuple[Array, Array]]:
    """Of each layer: for its output's cotangent (out, SIZE), its input and a 1 (in + 1, SIZE)."""
    rng = np.random.default_rng(_SEED)

    def draw(width: int) -> Array:
        return rng.choice([-1.0, 1.0], (width, SIZE)).astype(precision)

    return [
        (draw(out), draw(into + 1)) for out, into in zip(widths[::2], widths[1::2], strict=True)
    ]
