"""Initial value problems solved as tight as SciPy's DOP853 goes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from reference.solution import NotSolved
from systems import Array

RTOL = 2.3e-14
"""The tightest that SciPy accepts is 100 eps = 2.22e-14."""
ATOL = 1e-4
"""In units of RTOL times the size of what is integrated: a component near zero may rest there."""
MAX_STEP = 1 / 64
"""In units of the interval: bounds the error of the dense output where steps could be long."""


def solve_tight(
    slope: Callable[[float, Array], Array], start: float, end: float, y: Array, dense: bool = False
) -> Any:
    """SciPy's result for y' = slope(t, y), y (n,) real or complex, over one smooth segment.

    `start` may be the later of the two times. DOP853 of Hairer, Norsett and Wanner (1993), with its
    dense output of order 7 as `sol` if `dense`. Raises NotSolved if SciPy gives up.
    """
    # At a breakpoint the slope is that of the segment being solved, a hair inside it.
    low, high = sorted((float(np.nextafter(start, end)), float(np.nextafter(end, start))))

    def inside(t: float, y: Array) -> Array:
        return slope(min(max(t, low), high), y)

    span = abs(end - start)
    size = max(np.abs(y).max(), span * np.abs(inside(start, y)).max())
    solved = solve_ivp(
        inside,
        (start, end),
        y,
        method="DOP853",
        rtol=RTOL,
        # What starts and stays at zero has no size; any tolerance will do.
        atol=RTOL * ATOL * (size if size > 0 else 1.0),
        max_step=MAX_STEP * span,
        dense_output=dense,
    )
    if not solved.success:
        raise NotSolved(f"DOP853 stops at t = {solved.t[-1]:g}: {solved.message}")
    return solved
