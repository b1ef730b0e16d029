"""A differenced simulator has a price, and limits how accurate an estimator can be."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.bench.run.meter import metered
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.estimators.differences import Differences
from gradpareto.systems.mujoco_cartpole import EPS

mujoco = pytest.importorskip("mujoco")

TASK = ("mujoco_cartpole", "initial")
NOT_THROUGH = [
    name for name, e in ESTIMATORS.items() if isinstance(e, Differences) and e.scheme.is_complex
]
OWN_LOOPS = [name for name in ESTIMATORS if "-scipy-" not in name and name not in NOT_THROUGH]


@pytest.mark.parametrize("name", OWN_LOOPS)
def test_every_call_of_the_simulator_is_counted(
    estimator: Estimator, short: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: a count at MuJoCo's own door."""
    problem = short(TASK, 0.2, estimator)
    problem, x0 = problem.sample(np.random.default_rng(0), 2)
    calls, forward = [], mujoco.mj_forward
    monkeypatch.setattr(mujoco, "mj_forward", lambda *given: calls.append(1) or forward(*given))
    counted = metered(problem, len(x0))
    estimator(
        counted, x0, {"step": 0.05, "tolerance": 1e-3, "rollouts": 2}[estimator.declares.knob]
    )
    assert counted.meter.f_evals.sum() == len(calls)
    assert counted.meter.vjp_evals.sum() == 0
    assert len(calls) > 0


def test_a_pullback_is_ten_calls(short: Callable) -> None:
    """Euler takes as many vjps as steps: beside the closed form's 2 calls for each step, 11."""
    spent = []
    box, x0 = short(TASK, 0.5).sample(np.random.default_rng(0), 2)
    for problem in (box, box.exact):
        counted = metered(problem, len(x0))
        ESTIMATORS["bptt"](counted, x0, 0.05)
        spent.append(counted.meter.f_evals + counted.meter.vjp_evals)
    np.testing.assert_array_equal(spent, [[110, 110], [20, 20]])


def test_differencing_sets_the_floor_and_not_the_tolerance(
    short: Callable, reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: the closed form's reference, and the rounding of what is divided by the step.

    Where the tolerance is above the floor, the simulator does as well as the closed form; below,
    the floor stays, while the closed form's error falls as before.
    """
    problem, x0 = short(TASK, 1.0).sample(np.random.default_rng(1), 2)
    reference, ctpg = reference_of(problem, x0), ESTIMATORS["ctpg"]
    box, closed = (
        np.array([relative_error(ctpg(p, x0, tol), reference) for tol in (1e-5, 1e-9, 1e-11)])
        for p in (problem, problem.exact)
    )
    floor = np.finfo(float).eps / EPS
    np.testing.assert_allclose(box[0], closed[0], rtol=0.01)
    assert ((box[1:] > floor / 10) & (box[1:] < floor * 10)).all()
    assert (box[2] > box[1] / 5).all()
    assert (closed[2] < closed[1] / 50).all()


@pytest.mark.parametrize("name", NOT_THROUGH)
def test_what_does_not_go_through_a_simulator_says_so(
    estimator: Estimator, short: Callable
) -> None:
    problem, x0 = short(TASK, 0.2, estimator).sample(np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match="does not go through a simulator"):
        estimator(problem, x0, 0.05)
    assert not estimator(problem.exact, x0, 0.05).failed
