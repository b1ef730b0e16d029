"""Few states give the gradient of the whole trajectory, at the price of the schedule."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.meter import metered
from estimators.bptt import Bptt
from estimators.bptt_adaptive import AdaptiveBptt
from estimators.checkpointing import Checkpointed
from estimators.solvers.tableaus import DOP853, EULER, RK4, TABLEAUS, Tableau


@pytest.mark.parametrize("tableau", [EULER, RK4, DOP853], ids=lambda tableau: tableau.name)
@pytest.mark.parametrize(("steps", "states"), [(1, 1), (6, 1), (23, 3), (40, 8)])
def test_revolve_gives_bptt_s_gradient(
    tableau: Tableau, steps: int, states: int, short: Callable
) -> None:
    """Truth: the stored trajectory, to rounding, on two segments where there is a breakpoint."""
    for preset in (("lqr", "perturbed"), ("electric", "initial")):
        problem, x0 = short(preset, 1e9).sample(np.random.default_rng(5), 3)
        step = problem.horizon / steps
        found = Checkpointed(tableau, checkpoints=states)(problem, x0, step)
        truth = Bptt(tableau)(problem, x0, step)
        size = np.linalg.norm(truth.gradient, axis=1)
        assert (np.linalg.norm(found.gradient - truth.gradient, axis=1) <= 1e-12 * size).all()
        np.testing.assert_allclose(found.loss, truth.loss, rtol=1e-12)
        np.testing.assert_array_equal(found.steps, truth.steps)


@pytest.mark.parametrize("name", [n for n, t in TABLEAUS.items() if t.error is not None])
@pytest.mark.parametrize("states", [1, 3, 8])
def test_online_takes_the_same_steps_again(name: str, states: int, short: Callable) -> None:
    """Truth: the stored steps of the same solve. Lanes differ in how many they take.

    A replay in another batch rounds otherwise, and the error estimate, a difference, magnifies
    that in the steps' lengths.
    """
    for preset in (("lqr", "perturbed"), ("electric", "initial")):
        problem, x0 = short(preset, 2.0).sample(np.random.default_rng(5), 3)
        x0 = x0 * np.array([[1e-3], [2.0], [0.5]])
        counted = metered(problem, 3)
        found = Checkpointed(TABLEAUS[name], states, online=True)(counted, x0, 1e-5)
        truth = AdaptiveBptt(TABLEAUS[name])(problem, x0, 1e-5)
        assert not found.failed
        size = np.linalg.norm(truth.gradient, axis=1)
        assert (np.linalg.norm(found.gradient - truth.gradient, axis=1) <= 1e-9 * size).all()
        np.testing.assert_array_equal(found.steps, truth.steps)
