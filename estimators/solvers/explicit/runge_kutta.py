"""A batched explicit Runge-Kutta solve through given times."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gradpareto.estimators.solvers.dense_output import DenseOutput, collect
from gradpareto.estimators.solvers.explicit.engine import Engine, Path, Rhs, Watch
from gradpareto.estimators.solvers.explicit.quadrature import Quadrature
from gradpareto.estimators.solvers.explicit.step_control import Control
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.systems import Array


@dataclass(frozen=True)
class Solution:
    """y (B, m) and integral (B, size) at the last time, NaN in lanes that `failed` (with reasons).

    `stops` (len(times), B, m) holds y at each requested time, `pace` (len(times) - 1, 2, B) the
    step proposed behind it and the error of the one before; `steps` (B,) counts those accepted.
    """

    y: Array
    integral: Array
    stops: Array
    pace: Array
    steps: Array
    failed: dict[int, str]
    dense: DenseOutput | None


def solve(
    rhs: Rhs,
    y0: Array,
    times: Sequence[float],
    tableau: Tableau,
    control: Control,
    quadrature: Quadrature,
    *,
    path: Path | None = None,
    dense: bool = False,
    pace: Array | None = None,
    watch: Watch = lambda lane, t, h, y, slopes: None,
    at_stop: Callable[[int, Array], None] = lambda index, y: None,
    lost: Mapping[int, str] = MappingProxyType({}),
) -> Solution:
    """Integrate y' = rhs through `times` (monotone, either way), stepping onto each exactly.

    In the precision of y0, which slopes, integral and dense output share; times and step lengths
    are float64 whatever it is.

    `watch` is told of every accepted step. The slope is evaluated afresh behind each of the times,
    since it may jump there. `at_stop(k, y)` may overwrite y (B, m) in place on arrival at times[k].
    Lanes that are `lost` stay out, and failed.

    From the `pace` (2, B) that another solve had behind a stop, it takes the very steps that one
    took; without, the first is guessed.
    """
    engine = Engine(rhs, y0, tableau, control, quadrature, path, dense, watch)
    engine.failed.update(lost)
    if pace is not None:
        engine.h, engine.past_error = pace.copy()
    stops = [y0]
    for k, (left, right) in enumerate(itertools.pairwise(times), 1):
        engine.cross(left, right)
        at_stop(k, engine.y)
        stops.append(engine.y.copy())
    for lane in engine.failed:
        engine.y[lane] = engine.integral.value[lane] = np.nan
    output = collect(max(map(abs, times)), engine.pieces) if engine.pieces else None
    return Solution(
        engine.y,
        engine.integral.value,
        np.stack(stops),
        np.stack(engine.paces),
        engine.steps,
        engine.failed,
        output,
    )
