"""Every estimator's gradient on every task against the certified reference."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.estimators.neural_ode import NeuralOde
from tests.estimators.presets import on_presets

HORIZON = 1.0
SAMPLES = 1  # batches are what test_lanes is about
LOOSER = 4.0
"""Methods of order 1 and 2 take as many times fewer steps than at their tight setting: they are
thousands there. The bound follows, and the tests of conformance are at the tight setting itself."""
LOOSER_TOLERANCE = {"solve_bvp": 100.0}
"""SciPy's boundary-value solver, of order 4, factorises a mesh of thousands of nodes otherwise."""


@on_presets("name", {name: e for name, e in ESTIMATORS.items() if not e.declares.stochastic})
def test_gradient_each_half_of_it_and_loss_near_the_tight_setting(
    name: str,
    estimator: Estimator,
    preset: tuple[str, str],
    short: Callable,
    reference_of: Callable,
    relative_error: Callable,
    required: Callable,
    paced: Callable,
) -> None:
    """Truth: collocation, the closed form and the continuous adjoint, agreeing to 1e-12.

    Neither dL/dx0 nor dL/dtheta hides behind the other's size.
    """
    problem = short(preset, HORIZON, estimator, settled=True)
    problem, x0 = problem.sample(np.random.default_rng(1), SAMPLES)
    reference = reference_of(problem, x0)
    own = estimator.declares
    low = own.knob == "step" and own.order is not None and own.order <= 2
    setting = own.tight * (LOOSER if low else LOOSER_TOLERANCE.get(name, 1.0))
    estimate = estimator(problem, x0, paced(estimator, setting))
    bound = required(estimator, setting, preset[0])
    assert (relative_error(estimate, reference) <= bound).all()
    np.testing.assert_allclose(estimate.loss, reference.loss, rtol=bound)
    for half in ("grad_x0", "grad_theta"):
        found, truth = getattr(estimate, half), getattr(reference, half)
        size = np.linalg.norm(truth, axis=1)
        assert (np.linalg.norm(found - truth, axis=1) <= 3 * bound * size).all(), half


BACKSOLVES = [name for name, e in ESTIMATORS.items() if isinstance(e, NeuralOde)]


@pytest.mark.parametrize("name", BACKSOLVES)
def test_checkpoints_divide_what_the_backsolve_multiplies(
    estimator: NeuralOde, short: Callable, reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: the reference, and exp(lambda T / checkpoints) with the closed loop's lambda = 1.75.

    Without resets the tolerance is lost by orders of magnitude; with them it is kept.
    """
    tolerance = 1e-6
    problem = short(("lqr", "perturbed"), 8.0)
    problem, x0 = problem.sample(np.random.default_rng(1), SAMPLES)
    error = relative_error(estimator(problem, x0, tolerance), reference_of(problem, x0))
    growth = np.exp(1.75 * problem.horizon / estimator.checkpoints)
    assert (error <= 10 * tolerance * growth).all()
    assert (error >= tolerance).all() == (growth > 1e3)
