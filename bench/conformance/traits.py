"""Measurements of an estimator: order, exactness, memory, calls of a step, fitness when stiff."""

from dataclasses import dataclass, replace

import numpy as np

from gradpareto.bench.conformance.calls import call
from gradpareto.bench.conformance.memory import MODERATE, memory_exponent
from gradpareto.bench.conformance.problems import Solved, orbit, settling_motor, swing
from gradpareto.bench.run.meter import Meter, metered
from gradpareto.estimators import Estimator
from gradpareto.systems import Array, Problem

FROZEN = 1e12
"""A tolerance that no error comes near. The first step is then a fixed part of the span, and every
other is as much longer than the last as the control allows: no perturbation moves the mesh."""
TOLERANCES = tuple(10.0**-k for k in range(6, 12))
TIGHT, LOOSER = 1e-7, 1000.0
"""An estimator whose tight setting is above TIGHT is measured at tolerances LOOSER times these."""
ROUNDING = 3e-14
"""Relative errors above this are truncation errors, unless the estimator takes differences."""
LARGEST_FLOOR = 1e-4
"""The largest floor that a declaration is believed."""
COARSE = {"step": 0.22, "tolerance": FROZEN}
COUNTS = sorted([1, *(2**k for k in range(1, 9)), *(3 * 2**k for k in range(7))])
"""Numbers of steps. With halvings alone, an order of 9 would show only once before rounding."""
EXACT = 1e-12
"""The largest gap of a gradient that is, to rounding, that of its own discretised loss."""
STIFF_ERROR, STIFF_EVALS = 1e-2, 2500
"""The error that a stiff estimator reaches within this many evaluations. An explicit method of s
stages is stable up to a step of about s / rate, and Euler's up to 2 / rate: for any error it needs
1e4 evaluations or more, both passes together."""
STIFF_LADDER = {
    "step": (1 / 128, 1 / 32, 1 / 16),
    "tolerance": (1e-3, 1e-4, 1e-5),
    "rollouts": (64.0,),
}


@dataclass(frozen=True)
class Traits:
    """The measured traits of one estimator; NaN where there is nothing to measure.

    `order`: the exponent of the gradient's error in the step, or in the calls of f where the knob
    is a tolerance. `gap`: the relative distance of the gradient from the derivative of the
    estimator's own loss. `memory`: the exponent of the bytes held between the passes in the number
    of steps. `calls_per_step`: the oracle calls that a further step costs a sample of the LQR.
    `stiff`: whether it reaches STIFF_ERROR within STIFF_EVALS on the motor.
    """

    order: float
    gap: float
    memory: float
    calls_per_step: float
    stiff: bool


def measure_traits(estimator: Estimator) -> Traits:
    """Measure all traits, in a second or so. Whatever the estimator raises is raised."""
    return Traits(
        observed_order(estimator),
        gradient_gap(estimator),
        memory_exponent(estimator),
        calls_per_step(estimator),
        suits_stiff(estimator),
    )


def observed_order(estimator: Estimator) -> float:
    """The order at which the gradient's error falls on the pendulum.

    Where the knob is a step it comes from the last two errors above rounding; where it is a
    tolerance it is the slope of a fit over the calls of f. NaN with fewer than two such steps or
    four such tolerances, and with any other knob.
    """
    measure = {"step": _order_by_step, "tolerance": _order_by_tolerance}.get(
        estimator.declares.knob
    )
    return measure(estimator) if measure else np.nan


def step_errors(estimator: Estimator) -> list[tuple[int, float]]:
    """Measure the gradient's error on the pendulum with each of COUNTS steps, down to rounding."""
    # A reversible method carries a second state, which grows where the first decays: over the whole
    # horizon it hides the order, and so does the rounding that it magnifies.
    known = swing(1.0) if estimator.declares.reconstructs else swing()
    floor = max(ROUNDING, min(estimator.declares.floor, LARGEST_FLOOR))
    usable: list[tuple[int, float]] = []
    for count in COUNTS:
        error = _error(known, estimator, known.problem.horizon / count)
        if error <= floor:
            break
        usable.append((count, error))
    return usable


def _order_by_step(estimator: Estimator) -> float:
    return order_of_steps(step_errors(estimator))


def order_of_steps(usable: list[tuple[int, float]]) -> float:
    """The order at which the last two of `step_errors` fall; NaN if there are fewer than two."""
    if len(usable) < 2:
        return np.nan
    (few, large), (many, small) = usable[-2:]
    return float(np.log(large / small) / np.log(many / few))


def _order_by_tolerance(estimator: Estimator) -> float:
    known = swing()
    points = np.empty((len(TOLERANCES), 2))
    # A method of low order would take millions of steps at the tolerances for the others.
    looser = LOOSER if estimator.declares.tight > TIGHT else 1.0
    for row, tolerance in zip(points, TOLERANCES, strict=True):
        counted = metered(known.problem, 1)
        estimate = estimator(counted, known.x0, looser * tolerance)
        # An exact one chooses its steps going forward only, and may replay them, which costs calls.
        steps, calls = estimate.steps[0], counted.meter.f_evals[0]
        row[:] = steps if estimator.declares.exact else calls, known.gradient_errors(estimate)[0]
    points = points[points[:, 1] > ROUNDING]
    if len(points) < 4 or np.ptp(points[:, 0]) == 0:
        return np.nan
    work, errors = np.log(points).T
    return float(-np.polyfit(work, errors, 1)[0])


def gradient_gap(estimator: Estimator) -> float:
    """The gap |v'g - d/ds L(s v)| / (|g| |v|) of the loss L that the estimator itself returns.

    v is a random direction in (x0, theta). The setting is so coarse that the gradient of the
    continuous problem has a visible gap: five steps, or the tolerance FROZEN, at which an adaptive
    method takes the same steps for every x0 and theta. NaN if it does not (then L is not smooth,
    and differences say nothing), and with any other knob. Central differences of four widths are
    extrapolated (Romberg), to about 1e-13.
    """
    if estimator.declares.knob not in COARSE:
        return np.nan
    x0, setting = swing().x0, COARSE[estimator.declares.knob]
    problem = replace(swing().problem, horizon=1.0)
    rng = np.random.default_rng(8)
    along_x0, along_theta = rng.standard_normal(x0.shape), rng.standard_normal(problem.theta.shape)
    centre = estimator(problem, x0, setting)

    def loss(s: float) -> float:
        moved = problem.with_theta(problem.theta + s * along_theta)
        estimate = estimator(moved, x0 + s * along_x0, setting)
        if (estimate.steps != centre.steps).any():
            return np.nan
        return float(estimate.loss[0])

    widths = 0.04 / 2.0 ** np.arange(4)
    table = np.array([(loss(s) - loss(-s)) / (2 * s) for s in widths])
    for k in range(1, len(widths)):
        table = (4**k * table[1:] - table[:-1]) / (4**k - 1)
    along = np.concatenate([along_x0[0], along_theta])
    size = np.linalg.norm(centre.gradient[0]) * np.linalg.norm(along)
    return float(abs(centre.gradient[0] @ along - table[0]) / size)


def calls_per_step(estimator: Estimator) -> float:
    """Measure the oracle calls for each step, on one sample of the orbit.

    Where the knob is the step, it is an eighth of the price of 8 further steps; otherwise all calls
    are divided by the steps taken.
    """
    problem, x0 = orbit(4.0), np.array([[1.0, -0.5]])

    def spent(setting: float) -> tuple[float, float]:
        counted = metered(problem, 1)
        steps = estimator(counted, x0, setting).steps
        return float(counted.meter.evals[0]), float(steps[0])

    if estimator.declares.knob == "step":
        return (spent(4.0 / 16)[0] - spent(4.0 / 8)[0]) / 8
    evals, steps = spent(MODERATE[estimator.declares.knob])
    return evals / steps


def suits_stiff(estimator: Estimator) -> bool:
    """Tell whether some setting in STIFF_LADDER suits the motor: STIFF_ERROR within STIFF_EVALS."""
    return any(_reaches(estimator, setting) for setting in STIFF_LADDER[estimator.declares.knob])


class _Spent(Exception):  # noqa: N818
    """The estimator has used up the evaluations that it may take."""


class _Ration(Meter):
    """A meter of one sample that ends a call which takes more than STIFF_EVALS."""

    def count(self, problem: Problem, oracle: str, lane: Array) -> None:
        super().count(problem, oracle, lane)
        if self.evals[0] > STIFF_EVALS:
            raise _Spent


def _reaches(estimator: Estimator, setting: float) -> bool:
    known = settling_motor()
    rationed = replace(metered(known.problem, 1), meter=_Ration(1))
    try:
        with np.errstate(all="ignore"):
            estimate = estimator(rationed, known.x0, setting)
            return bool(known.gradient_errors(estimate)[0] <= STIFF_ERROR)
    except _Spent:
        return False


def _error(known: Solved, estimator: Estimator, setting: float) -> float:
    return float(known.gradient_errors(call(estimator, known.problem, known.x0, setting))[0])
