"""The plan of the whole field: every estimator on every problem, by rule, in half an hour."""

from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import Problem

SAMPLES = 4
FEWER = 2
"""Samples of an estimator that is expensive: by its parameters, or lane by lane."""
CELL_SECONDS = 10.0
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
TIGHTEST = {"mujoco_cartpole": 1e-6, "cartpole": 1e-8, "taichi_electric": 1e-4}
"""Where a simulator's own differences or roundings, or kinks, leave nothing below."""
ROLLOUTS = (8.0, 64.0, 512.0)

CALLS = 2**12
"""Oracle calls of a sample at the dearest step."""
STIFF_CALLS = {"stiff": 2**16}
"""Where an explicit step is bounded by stability: below it there is nothing to see."""
STABLE_RUNGS = 3
"""How many of the smallest steps of an explicit method are then measured."""
MOST_SOLVED_CALLS = 2**18
"""And of one whose cost grows with the parameters, whose solves are rows of one batch."""


def field_settings(system: str, estimator: str, problem: Problem) -> tuple[tuple[float, ...], int]:
    """Settings, loose to tight, and samples, of an estimator on a problem; none if all are dear."""
    method = ESTIMATORS[estimator]
    settings = {"step": _steps, "tolerance": _tolerances}.get(method.declares.knob, _rollouts)
    return settings(system, method, problem), samples_of(method)


def samples_of(method: Estimator) -> int:
    """The number of samples: FEWER if each of them is solved by itself, or in many solves."""
    expensive = method.declares.cost_grows_with_parameters or method.declares.per_lane
    return FEWER if expensive else SAMPLES


def _steps(system: str, method: Estimator, problem: Problem) -> tuple[float, ...]:
    """T/N, N the powers of two from 4 on, as far as the calls of the dearest may go."""
    stiff = system in STIFF_CALLS
    most = STIFF_CALLS.get(system, CALLS)
    if method.declares.cost_grows_with_parameters:
        most = MOST_SOLVED_CALLS
    steps = [problem.horizon / 2**k for k in range(2, 18)]
    steps = [step for step in steps if method.calls(problem, step) <= most]
    return tuple(steps if not stiff or method.declares.stiff else steps[-STABLE_RUNGS:])


def _tolerances(system: str, method: Estimator, problem: Problem) -> tuple[float, ...]:
    return tuple(t for t in TOLERANCES if t >= TIGHTEST.get(system, 0.0))


def _rollouts(system: str, method: Estimator, problem: Problem) -> tuple[float, ...]:
    return ROLLOUTS
