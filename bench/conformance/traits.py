"""What an estimator declares of itself, measured on problems of two or three states."""

import tracemalloc
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from gradpareto.bench.run.meter import Meter, metered
from gradpareto.estimators import Estimate, Estimator
from gradpareto.reference import certify
from gradpareto.reference.closed_form import closed_form
from gradpareto.systems import LQR, Array, Policy, Problem
from gradpareto.systems.stiff import Stiff

FROZEN = 1e12
"""A tolerance that no error comes near: every step is as much longer than the last as the control
allows and the first is a fixed part of the span, so that no perturbation moves the mesh."""
TOLERANCES = tuple(10.0**-k for k in range(6, 12))
ROUNDING = 3e-14
"""A relative error above which nothing but truncation shows, where nothing is differenced."""
MODERATE = {"step": 0.1, "tolerance": 1e-4, "rollouts": 8.0}
COARSE = {"step": 0.22, "tolerance": FROZEN}
COUNTS = sorted([1, *(2**k for k in range(1, 9)), *(3 * 2**k for k in range(7))])
"""Numbers of steps: by halvings alone, an order of 9 would show once before rounding."""
EXACT = 1e-12
"""The largest gap of a gradient that is, to rounding, that of its own discretised loss."""
MEMORY_STEPS, LONG_STEPS = (64, 512), (128, 1024)
STIFF_RATE = 1e4
STIFF_ERROR, STIFF_EVALS = 1e-2, 2500
"""What a stiff estimator reaches, and with how many evaluations: an explicit method of s stages
that is stable up to a step of s / rate needs as many as the rate each way, 1e4, for any error."""
STIFF_LADDER = {
    "step": (1 / 128, 1 / 32, 1 / 16),
    "tolerance": (1e-3, 1e-4, 1e-5),
    "rollouts": (64.0,),
}
WARM_UPS = 3
"""Imports and caches, which fill over the first few calls, are not the estimator's memory."""


@dataclass(frozen=True)
class Traits:
    """What is measured of one estimator; NaN where there is nothing to measure.

    `order`: of the gradient's error in the step, or over calls of f for a tolerance (a backward
    pass may step otherwise). `gap`: how
    far the gradient is from the derivative of the estimator's own loss, relative. `memory`: the
    exponent of the bytes held between the passes in the number of steps. `calls_per_step`: oracle
    calls that a further step costs a sample of the LQR. `stiff`: whether it reaches STIFF_ERROR
    within STIFF_EVALS on a system with a mode at STIFF_RATE.
    """

    order: float
    gap: float
    memory: float
    calls_per_step: float
    stiff: bool


def measure_traits(estimator: Estimator) -> Traits:
    """All of them, in a second or so. Whatever the estimator raises is raised."""
    return Traits(
        observed_order(estimator),
        gradient_gap(estimator),
        memory_exponent(estimator),
        calls_per_step(estimator),
        suits_stiff(estimator),
    )


@cache
def smooth(horizon: float = 4.0) -> tuple[Problem, Array, Array]:
    """A pendulum that swings, hardly damped, one x0 (1, 3), and its certified gradient (1, 6)."""
    policy = Policy(sizes=(2, 1), activations=("identity",))
    problem = Problem(Stiff(rate=1.0), policy, np.array([-3.0, 1.0, 0.1]), horizon)
    x0 = np.array([[1.0, -0.5, 0.8]])
    return problem, x0, certify(problem, x0).gradient


@cache
def stiff() -> tuple[Problem, Array, Array]:
    """A motor: position, speed, and x0 off the slow manifold, which is reached in 1 / STIFF_RATE.

    The gradient is the closed form's.
    """
    one = np.eye(2)
    system = LQR(
        A=np.array([[0.0, 1.0], [0.0, -STIFF_RATE]]),
        B=np.array([[0.0], [STIFF_RATE]]),
        Q=one,
        R=np.eye(1),
        Q_T=one,
        horizon=1.0,
    )
    problem = Problem(system, Policy((2, 1), ("identity",)), np.array([-1.5, 0.2, 0.1]), 1.0)
    x0 = np.array([[1.0, 0.5]])
    return problem, x0, closed_form(problem, x0).gradient


def orbit(horizon: float) -> Problem:
    """An LQR that circles, its closed loop neither growing nor decaying: steps go with time."""
    one = np.eye(2)
    system = LQR(A=0 * one, B=one, Q=one, R=one, Q_T=one, horizon=horizon)
    theta = np.array([0.0, 1.0, -1.0, 0.0, 0.1, -0.2])
    return Problem(system, Policy((2, 2), ("identity",)), theta, horizon)


def observed_order(estimator: Estimator) -> float:
    """By the step: from the last two before rounding. By the tolerance: a fit over calls of f.

    NaN where fewer than two steps, or four tolerances, are above rounding, or with another knob.
    """
    of = {"step": _order_by_step, "tolerance": _order_by_tolerance}.get(estimator.declares.knob)
    return of(estimator) if of else np.nan


def _order_by_step(estimator: Estimator) -> float:
    # What a reversible method carries beside the state grows where the state decays: over the whole
    # horizon, that and the rounding it magnifies hide the order.
    problem, x0, truth = smooth(1.0) if estimator.declares.reconstructs else smooth()
    floor = max(ROUNDING, estimator.declares.floor)
    usable: list[tuple[int, float]] = []
    for count in COUNTS:
        error = _relative(estimator(problem, x0, problem.horizon / count), truth)
        if error <= floor:
            break
        usable.append((count, error))
    if len(usable) < 2:
        return np.nan
    (few, large), (many, small) = usable[-2:]
    return float(np.log(large / small) / np.log(many / few))


def _order_by_tolerance(estimator: Estimator) -> float:
    problem, x0, truth = smooth()
    points = np.empty((len(TOLERANCES), 2))
    for row, tolerance in zip(points, TOLERANCES, strict=True):
        counted = metered(problem, 1)
        estimate = estimator(counted, x0, tolerance)
        # An exact one steps forward alone, and may take steps again, the more often the more.
        steps, calls = estimate.steps[0], counted.meter.f_evals[0]
        row[:] = steps if estimator.declares.exact else calls, _relative(estimate, truth)
    points = points[points[:, 1] > ROUNDING]
    if len(points) < 4 or np.ptp(points[:, 0]) == 0:
        return np.nan
    work, errors = np.log(points).T
    return float(-np.polyfit(work, errors, 1)[0])


def gradient_gap(estimator: Estimator) -> float:
    """|v'g - d/ds L(s v)| over |g|, for the loss L that the estimator returns and a direction v.

    The setting is coarse, so that the gradient of the continuous problem is no answer: five steps,
    or the tolerance FROZEN, at which the accepted steps of an adaptive method are the same for
    every x0 and theta. NaN if they are not (then L is not smooth, and differences say nothing),
    and with another knob. Differences are central, extrapolated (Romberg) from four widths: to
    about 1e-13.
    """
    if estimator.declares.knob not in COARSE:
        return np.nan
    problem, x0, _ = smooth()
    problem, setting = replace(problem, horizon=1.0), COARSE[estimator.declares.knob]
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


def memory_exponent(estimator: Estimator) -> float:
    """The slope of the bytes held at the turn over the calls of f, for few and many steps.

    0 if there is no turn: nothing was stored for a backward pass. Unless the knob is the step, a
    horizon is what makes the steps many.
    """
    if estimator.declares.knob == "step":
        turns = [_stored(estimator, 4.0, 4.0 / count, 8) for count in MEMORY_STEPS]
    else:
        setting = MODERATE[estimator.declares.knob]
        pace = 16.0 / float(estimator(orbit(16.0), np.array([[1.0, -0.5]]), setting).steps[0])
        turns = [_stored(estimator, pace * count, setting, 2) for count in LONG_STEPS]
    (few, short), (many, long) = turns
    if few is None or many is None:
        return 0.0
    return float(np.log(max(many, 1) / max(few, 1)) / np.log(long / short))


def _stored(
    estimator: Estimator, horizon: float, setting: float, samples: int
) -> tuple[float | None, float]:
    """Bytes a sample, and calls of f a sample."""
    x0 = np.random.default_rng(0).standard_normal((samples, 2))
    for _ in range(WARM_UPS):
        estimator(orbit(1.0), x0, MODERATE[estimator.declares.knob])
    tracemalloc.start()
    try:
        counted = metered(orbit(horizon), samples)
        estimator(counted, x0, setting)
    finally:
        tracemalloc.stop()
    return counted.meter.stored_bytes, float(counted.meter.f_evals.mean())


def calls_per_step(estimator: Estimator) -> float:
    """What 8 more of 8 steps cost a sample of the LQR; over the steps taken, with another knob."""
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
    """Whether any setting of STIFF_LADDER reaches STIFF_ERROR within STIFF_EVALS."""
    problem, x0, truth = stiff()
    settings = STIFF_LADDER[estimator.declares.knob]
    return any(_reaches(partial(estimator, setting=s), problem, x0, truth) for s in settings)


class _Spent(Exception):  # noqa: N818
    """A ration of evaluations is used up."""


class _Ration(Meter):
    """A meter of one sample that ends a call which takes more than STIFF_EVALS."""

    def count(self, oracle: str, evals: Array, lane: Array, each: int = 1) -> None:
        super().count(oracle, evals, lane, each)
        if self.evals[0] > STIFF_EVALS:
            raise _Spent


def _reaches(estimate: Any, problem: Problem, x0: Array, truth: Array) -> bool:
    try:
        with np.errstate(all="ignore"):
            return (
                _relative(estimate(replace(metered(problem, 1), meter=_Ration(1)), x0), truth)
                <= STIFF_ERROR
            )
    except _Spent:
        return False


def _relative(estimate: Estimate, truth: Array) -> float:
    return float(np.linalg.norm(estimate.gradient - truth) / np.linalg.norm(truth))
