"""A batched explicit Runge-Kutta solve through given times, with fixed or adaptive steps."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gradpareto.estimators.solvers.explicit.dense_output import DenseOutput, collect
from gradpareto.estimators.solvers.explicit.quadrature_variables import QuadratureVariables
from gradpareto.estimators.solvers.explicit.step_control import Control
from gradpareto.estimators.solvers.explicit.stepper import (
    RungeKuttaStepper,
    StepCallback,
)
from gradpareto.estimators.solvers.explicit.tableaus import Tableau
from gradpareto.estimators.solvers.right_hand_side import Path, RightHandSide
from gradpareto.systems import Array


@dataclass(frozen=True)
class RungeKuttaSolution:
    """The result of a Runge-Kutta solve of B lanes.

    y (B, m) and integral (B, size) are those at the last time, and NaN in the lanes that `failed`,
    which maps a lane to the reason. `stops` (len(times), B, m) holds y at each requested time.
    `pace` (len(times) - 1, 2, B) holds, behind each of these times, the proposed step and the error
    of the step before. `steps` (B,) counts the accepted steps.
    """

    y: Array
    integral: Array
    stops: Array
    pace: Array
    steps: Array
    failed: dict[int, str]
    dense: DenseOutput | None


def solve(
    rhs: RightHandSide,
    y0: Array,
    times: Sequence[float],
    tableau: Tableau,
    control: Control,
    quadrature: QuadratureVariables,
    *,
    path: Path | None = None,
    dense: bool = False,
    pace: Array | None = None,
    on_step: StepCallback = lambda lane, t, h, y, slopes: None,
    at_stop: Callable[[int, Array], None] = lambda index, y: None,
    lost: Mapping[int, str] = MappingProxyType({}),
) -> RungeKuttaSolution:
    """Integrate y' = rhs through `times` (monotone, either way), stepping onto each exactly.

    Slopes, integral and dense output are in the precision of y0; times and step lengths are
    float64. `on_step` is called with every accepted step. The slope is evaluated afresh behind each
    of the times, since it may jump there. `at_stop(k, y)` may overwrite y (B, m) in place on
    arrival at times[k]. Lanes that are `lost` are not solved, and have failed.

    With the `pace` (2, B) that another solve had behind a stop, this one takes the same steps as
    that; without it, the first step is guessed. Raises ValueError if the control adapts the steps
    of a tableau without an error estimate.
    """
    stepper = RungeKuttaStepper(rhs, y0, tableau, control, quadrature, path, dense, on_step)
    stepper.failed.update(lost)
    if pace is not None:
        stepper.h, stepper.past_error = pace.copy()
    stops = [y0]
    for k, (left, right) in enumerate(itertools.pairwise(times), 1):
        stepper.cross(left, right)
        at_stop(k, stepper.y)
        stops.append(stepper.y.copy())
    return _solution(stepper, np.stack(stops), max(map(abs, times)))


def _solution(stepper: RungeKuttaStepper, stops: Array, span: float) -> RungeKuttaSolution:
    integral = stepper.integral()
    for lane in stepper.failed:
        stepper.y[lane] = integral[lane] = np.nan
    return RungeKuttaSolution(
        y=stepper.y,
        integral=integral,
        stops=stops,
        pace=np.stack(stepper.paces),
        steps=stepper.steps,
        failed=stepper.failed,
        dense=collect(span, stepper.pieces) if stepper.pieces else None,
    )
