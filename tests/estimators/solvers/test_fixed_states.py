"""Cotangents pulled back at fixed states, against calls of the problem's pullback."""

import numpy as np
import pytest

from gradpareto.estimators.solvers.implicit.fixed_states import fixed_states
from gradpareto.estimators.solvers.implicit.stages import StageEquations
from gradpareto.estimators.solvers.implicit.tableaus import gauss
from gradpareto.systems import TASKS, Policy

LANES, TIMES = 4, 3


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("taken", [[0, 1, 2, 3], [1, 3], [2]])
def test_a_pullback_is_the_problems_own(name: str, taken: list[int]) -> None:
    """Truth: `Problem.pullback`, row by row of the lanes that are taken.

    Differences of a simulator make much of a rounding of the control.
    """
    rng = np.random.default_rng(5)
    task = TASKS[name]
    problem, x0 = task.problem(next(iter(task.presets))).sample(rng, LANES)
    shape, off = (LANES, TIMES, x0.shape[1]), 1e-5 if problem.system.pullback_flows else 1e-12
    t = rng.uniform(0.1, 0.4, shape[:2]) * problem.horizon
    x = x0[:, None] + 0.01 * rng.standard_normal(shape)
    a, c = rng.standard_normal(shape), rng.standard_normal(shape[:2])
    lanes = np.array(taken, dtype=int)
    rows = np.repeat(np.arange(LANES), TIMES), t.ravel(), x.reshape(t.size, -1)
    held = fixed_states(problem, TIMES, rows).take(lanes)
    gx, factors = held.pullback(a[lanes], c[lanes].ravel())
    assert gx.shape == (len(taken), *shape[1:])
    for place, lane in enumerate(taken):
        own, each = (np.full(TIMES, lane), t[lane], x[lane]), (a[lane], c[lane])
        expected, parts = problem.pullback(*own, *each)
        np.testing.assert_allclose(gx[place], expected, rtol=off, atol=off)
        for found, part in zip(factors, parts, strict=True):
            np.testing.assert_allclose(found[place], part, rtol=off, atol=off)


def test_all_lanes_may_share_their_times() -> None:
    problem, t = TASKS["lqr"].problem("optimal"), np.array([0.0, 1.0, 2.0])
    step = StageEquations(problem, gauss(3), t, 1.0, np.ones((5, 2)))
    held = fixed_states(problem, 3, step.rows(np.array([4, 1]), np.ones((2, 3, 2))))
    assert held.t.tolist() == [0, 1, 2, 0, 1, 2]
    assert held.lane.tolist() == [4, 4, 4, 1, 1, 1]


def test_the_policy_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the calls of the policy."""
    problem, calls, forward = TASKS["quadrotor"].problem("initial"), [], Policy.forward

    def counted(self: Policy, layers: object, o: np.ndarray) -> object:
        calls.append(len(o))
        return forward(self, layers, o)  # type: ignore[arg-type]

    monkeypatch.setattr(Policy, "forward", counted)
    rows = np.array([0, 0, 0, 1, 1, 1]), np.zeros(6), np.zeros((6, 12))
    held = fixed_states(problem, 3, rows)
    for _ in range(3):
        held.pullback(np.ones((2, 3, 12)), np.ones(6))
    assert calls == [6]
