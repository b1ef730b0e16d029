"""The discrete adjoint on accepted steps: against complex step along them, and its three forms."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.estimators.bptt_adaptive import AdaptiveBptt
from gradpareto.estimators.solvers.closed_loop import solve_forward
from gradpareto.estimators.solvers.explicit.stages import combine
from gradpareto.estimators.solvers.explicit.step_control import Adaptive
from gradpareto.estimators.solvers.explicit.tableaus import TABLEAUS, Tableau
from gradpareto.systems import Array, Problem
from tests.estimators.presets import on_presets

STEP = 1e-30
TOLERANCE = 1e-4
ADAPTIVE = [tableau for tableau in TABLEAUS.values() if tableau.error is not None]
every = pytest.mark.parametrize("tableau", ADAPTIVE, ids=[t.name for t in ADAPTIVE])


def mesh(problem: Problem, x0: Array, tableau: Tableau) -> list[tuple[float, float]]:
    """Start and length of the accepted steps of one sample."""
    taken: list[tuple[float, float]] = []

    def keep(lane: Array, t: Array, h: Array, y: Array, slopes: Array) -> None:
        taken.append((t[0], h[0]))

    solve_forward(
        problem, x0, problem.segments, tableau, Adaptive.from_tolerance(TOLERANCE), on_step=keep
    )
    return taken


def loss_along(
    problem: Problem, x0: Array, tableau: Tableau, steps: list[tuple[float, float]]
) -> Array:
    """The loss of one sample on a mesh that is given, real or complex."""
    x, loss, lane = x0, np.zeros(1), np.zeros(1, int)
    for t, h in steps:
        slopes = np.empty((tableau.stages, *x.shape), np.result_type(x, problem.theta))
        for i, c in enumerate(tableau.c):
            stage = x + h * combine(tableau.a[i, :i], slopes[:i]) if i else x
            slopes[i], cost = problem.flow(lane, np.array([t + c * h]), stage)
            loss = loss + h * tableau.b[i] * cost
        x = x + h * combine(tableau.b, slopes)
    return loss + problem.terminal(x)


@every
@pytest.mark.parametrize("preset", [("lqr", "perturbed"), ("quadrotor", "initial")], ids="-".join)
def test_the_gradient_is_that_of_the_loss_on_its_own_mesh(
    tableau: Tableau, preset: tuple[str, str], short: Callable
) -> None:
    """Truth: complex step of the loss along the accepted steps, in x0 and theta at once."""
    problem, x0 = short(preset, 1.0).sample(np.random.default_rng(3), 1)
    estimate = AdaptiveBptt(tableau)(problem, x0, TOLERANCE)
    steps = mesh(problem, x0, tableau)
    assert estimate.steps[0] == len(steps) > 2
    rng = np.random.default_rng(4)
    v, u = rng.standard_normal(x0.shape), rng.standard_normal(problem.theta.shape)
    moved = problem.with_theta(problem.theta + 1j * STEP * u)
    truth = loss_along(moved, x0 + 1j * STEP * v, tableau, steps).imag[0] / STEP
    along = np.concatenate([v[0], u])
    size = np.linalg.norm(estimate.gradient[0]) * np.linalg.norm(along)
    assert abs(estimate.gradient[0] @ along - truth) <= 1e-13 * size


@on_presets("tableau", {tableau.name: tableau for tableau in ADAPTIVE})
@pytest.mark.parametrize("partner", [False, True], ids=["aca", "symplectic"])
def test_a_replay_and_the_partner_give_the_same_gradient(
    tableau: str, partner: bool, preset: tuple[str, str], short: Callable
) -> None:
    """Truth: the stored form; the stages are the same numbers, the partner's sums other sums."""
    problem, x0 = short(preset, 0.6).sample(np.random.default_rng(5), 2)
    stored = AdaptiveBptt(TABLEAUS[tableau])(problem, x0, TOLERANCE)
    again = AdaptiveBptt(TABLEAUS[tableau], replay=True, partner=partner)(problem, x0, TOLERANCE)
    size = np.linalg.norm(stored.gradient, axis=1)
    missed = np.linalg.norm(again.gradient - stored.gradient, axis=1)
    assert (missed <= 1e-12 * size).all()
    np.testing.assert_array_equal(again.steps, stored.steps)
