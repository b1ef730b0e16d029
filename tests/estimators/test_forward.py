"""Sensitivities and differences against the discrete adjoint of the same steps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.bptt import Bptt
from gradpareto.estimators.differences import (
    CENTRAL,
    COMPLEX_STEP,
    EXTRAPOLATED,
    FORWARD,
    Differences,
    Scheme,
)
from gradpareto.estimators.rollouts import Rollouts
from gradpareto.estimators.sensitivity import Sensitivity
from gradpareto.estimators.solvers.explicit.tableaus import RK4, TABLEAUS
from gradpareto.systems import TASKS
from tests.estimators.presets import on_presets

EXACT = {
    name: e
    for name, e in ESTIMATORS.items()
    if isinstance(e, Sensitivity | Differences) and e.declares.exact
}


@on_presets("name", EXACT)
def test_those_that_say_so_are_the_gradient_of_their_own_loss(
    name: str, preset: tuple[str, str], short: Callable
) -> None:
    """Truth: the discrete adjoint of the same steps, to rounding, each half by itself."""
    estimator = EXACT[name]
    problem = short(preset, 0.5, estimator)
    problem, x0 = problem.sample(np.random.default_rng(6), 2)
    step = 0.38 * problem.horizon
    found, truth = estimator(problem, x0, step), Bptt(estimator.tableau)(problem, x0, step)
    np.testing.assert_allclose(found.loss, truth.loss, rtol=1e-14)
    for half in ("grad_x0", "grad_theta"):
        one, other = getattr(found, half), getattr(truth, half)
        size = np.linalg.norm(other, axis=1)
        assert (np.linalg.norm(one - other, axis=1) <= 1e-12 * size).all(), half


@pytest.mark.parametrize("name", TABLEAUS)
def test_sensitivities_over_any_tableau(name: str) -> None:
    """Truth: as above, at parameters with no zeros among them and steps on both sides of a jump."""
    problem, x0 = TASKS["electric"].problem("initial").sample(np.random.default_rng(1), 2)
    noise = np.random.default_rng(2).standard_normal(problem.theta.shape)
    problem = problem.with_theta(problem.theta + 0.01 * noise)
    tableau, step = TABLEAUS[name], problem.horizon / 7
    found, truth = (e(problem, x0, step) for e in (Sensitivity(tableau), Bptt(tableau)))
    scale = np.linalg.norm(truth.gradient)
    assert np.linalg.norm(found.gradient - truth.gradient) <= 1e-11 * scale


@pytest.mark.parametrize(
    ("scheme", "order"), [(FORWARD, 1), (CENTRAL, 2), (EXTRAPOLATED, 4), (COMPLEX_STEP, 2)]
)
def test_truncation_is_of_the_schemes_order(scheme: Scheme, order: int, short: Callable) -> None:
    """Truth: the discrete adjoint, from perturbations that rounding does not reach."""
    problem = short(("quadrotor", "initial"), 0.5, ESTIMATORS["complex_step"])
    problem, x0 = problem.sample(np.random.default_rng(6), 1)
    step = problem.horizon / 2
    truth = Bptt(RK4)(problem, x0, step).gradient
    errors = []
    for perturbation in (1e-2, 5e-3):
        wide = Scheme(scheme.shifts, scheme.weights, perturbation, 0.0)
        found = Differences(RK4, wide)(problem, x0, step).gradient
        errors.append(np.linalg.norm(found - truth))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


FORWARD_ONLY = [
    n for n, e in ESTIMATORS.items() if isinstance(e, Sensitivity | Differences | Rollouts)
]


@pytest.mark.parametrize("name", FORWARD_ONLY)
def test_lanes_that_parameters_of_their_own_control(name: str) -> None:
    """Truth: each lane alone, under its parameters; learning trains several at once."""
    problem = TASKS["lqr"].problem("perturbed")
    thetas, trial = np.stack([problem.theta, 0.9 * problem.theta]), np.array([1, 0, 1])
    x0 = np.array([[1.0, 0.5], [0.2, -0.3], [-0.4, 0.1]])
    setting = 4 if ESTIMATORS[name].declares.knob == "rollouts" else problem.horizon / 40
    found = ESTIMATORS[name](replace(problem, theta=thetas, trial=trial), x0, setting)
    for lane, which in enumerate(trial):
        own = ESTIMATORS[name](problem.with_theta(thetas[which]), x0[lane : lane + 1], setting)
        np.testing.assert_allclose(found.gradient[lane], own.gradient[0], rtol=1e-9, atol=1e-9)
