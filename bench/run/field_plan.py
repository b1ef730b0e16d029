"""The plan of the whole field: every estimator on every problem, in about half an hour."""

from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import Problem

SAMPLES = 4
FEWER = 2
"""The samples of an expensive estimator: by its parameters, or one that goes lane by lane."""
CELL_SECONDS = 10.0
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
TIGHTEST = {"mujoco_cartpole": 1e-6, "cartpole": 1e-8, "taichi_electric": 1e-4}
"""The tightest tolerance where kinks, or a simulator's rounding, leave nothing below."""
ROLLOUTS = (8.0, 64.0, 512.0)

CALLS = 2**12
"""The oracle calls of a sample at the most expensive step."""
STIFF_CALLS = {"stiff": 2**16}
"""The oracle calls on systems where stability bounds an explicit step."""
STABLE_RUNGS = 3
"""The number of the smallest steps of an explicit method that are measured there."""
MOST_SOLVED_CALLS = 2**18
"""The calls of an estimator whose cost grows with the parameters, as rows of one batch."""


def field_settings(system: str, estimator: str, problem: Problem) -> tuple[tuple[float, ...], int]:
    """Return the settings from loose to tight, and the samples, of an estimator on a problem.

    There are no settings if all are too expensive.
    """
    method = ESTIMATORS[estimator]
    settings = {"step": _steps, "tolerance": _tolerances}.get(method.declares.knob, _rollouts)
    return settings(system, method, problem), samples_of(method)


def samples_of(method: Estimator) -> int:
    """Return the number of samples: FEWER if each is solved by itself, or in many solves."""
    expensive = method.declares.cost_grows_with_parameters or method.declares.per_lane
    return FEWER if expensive else SAMPLES


def _steps(system: str, method: Estimator, problem: Problem) -> tuple[float, ...]:
    """Return the steps T/N, N a power of two from 4 on, that take no more calls than allowed."""
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
