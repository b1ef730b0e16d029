"""What is held when the backward pass begins, against the number of steps taken."""

import tracemalloc

import numpy as np
import pytest

from gradpareto.bench.run.meter import metered
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.estimators.differences import Differences
from gradpareto.estimators.multistep import Multistep
from gradpareto.estimators.per_lane import PerLaneCtpg
from gradpareto.estimators.rollouts import Rollouts
from gradpareto.estimators.sensitivity import Sensitivity
from gradpareto.systems import TASKS

PROBLEM = TASKS["lqr"].problem("perturbed")
NEVER_BACK = [n for n, e in ESTIMATORS.items() if isinstance(e, Differences | Rollouts)]
SENSITIVITIES = [name for name, e in ESTIMATORS.items() if isinstance(e, Sensitivity)]
SCIPYS = [name for name, e in ESTIMATORS.items() if isinstance(e, PerLaneCtpg)]
WARM_UPS = 3
"""Imports and caches, which fill over the first few calls, are not the estimator's."""
CONSTANT = [
    name
    for name, e in ESTIMATORS.items()
    if e.declares.memory == 0.0 and name not in (*NEVER_BACK, *SENSITIVITIES)
]
BETWEEN = [name for name, e in ESTIMATORS.items() if 0.0 < e.declares.memory < 0.75]
"""They keep some of a trajectory; `test_checkpointing` is about them."""
STORES = [n for n in ESTIMATORS if n not in (*CONSTANT, *NEVER_BACK, *SENSITIVITIES, *BETWEEN)]


def stored(estimator: Estimator, setting: float, samples: int) -> tuple[float | None, float]:
    """Bytes a sample, and steps a sample."""
    x0 = np.random.default_rng(0).standard_normal((samples, 2))
    for _ in range(WARM_UPS):
        estimator(PROBLEM, x0, setting)
    tracemalloc.start()
    try:
        counted = metered(PROBLEM, samples)
        steps = estimator(counted, x0, setting).steps
    finally:
        tracemalloc.stop()
    return counted.meter.stored_bytes, float(steps.mean())


def settings(estimator: Estimator) -> tuple[float, float, float]:
    if estimator.declares.knob == "step":
        return 0.2, 0.1, 0.05
    low = (
        estimator.declares.order is not None and estimator.declares.order < 4
    )  # takes thousands of steps at 1e-8
    if isinstance(estimator, Multistep):  # at looser ones, stability bounds its steps here
        return 1e-6, 1e-8, 1e-10
    return (1e-3, 1e-4, 1e-5) if low else (1e-4, 1e-6, 1e-8)


@pytest.mark.parametrize("name", STORES)
def test_stored_trajectories_grow_with_the_steps(name: str) -> None:
    """Truth: one price a step, whatever the steps; a state of two numbers is the least of it.

    It is a difference between settings, so that what a solver object takes once drops out. `steps`
    counts both ways, in proportions that vary a little: hence the margin.
    """
    estimator = ESTIMATORS[name]
    samples = 1 if name in SCIPYS else 8
    repeats = 5 if name in SCIPYS else 1  # its solvers are cycles: uncollected ones come on top
    measured = [
        min(stored(estimator, s, samples) for _ in range(repeats)) for s in settings(estimator)
    ]
    found = np.array(measured, dtype=float)
    sizes, steps = found.T
    assert (steps[1:] > 1.3 * steps[:-1]).all()
    price = np.diff(sizes) / np.diff(steps)
    assert (price > 2 * 8 / 2).all()
    assert price[1] == pytest.approx(price[0], rel=0.35)


@pytest.mark.parametrize("name", CONSTANT)
def test_constant_memory_is_the_same_whatever_the_steps(name: str) -> None:
    """Truth: a constant, within a seventh, while the steps multiply."""
    estimator = ESTIMATORS[name]
    extremes = (1.0, 0.1) if estimator.declares.knob == "step" else (1e-3, 1e-9)
    (few, short), (many, long) = (stored(estimator, setting, 8) for setting in extremes)
    assert few is not None
    assert many is not None
    assert long > (5 if (estimator.declares.order or 0) < 8 else 3) * short
    assert many == pytest.approx(few, rel=0.15)


@pytest.mark.parametrize("name", NEVER_BACK)
def test_what_only_solves_forward_never_turns(name: str) -> None:
    """There is no backward pass, so there is nothing to have stored for it."""
    assert (
        stored(ESTIMATORS[name], 0.5 if ESTIMATORS[name].declares.knob == "step" else 4, 1)[0]
        is None
    )


@pytest.mark.parametrize("name", SENSITIVITIES)
def test_sensitivities_hold_the_same_whatever_the_steps(name: str) -> None:
    """Truth: a constant, within a seventh, while the steps multiply."""
    (few, short), (many, long) = (stored(ESTIMATORS[name], s, 64) for s in (1.0, 0.05))
    assert few is not None
    assert many is not None
    assert long > 10 * short
    assert many == pytest.approx(few, rel=0.15)
