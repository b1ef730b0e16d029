"""How fast errors fall: with the step at the nominal order, with the tolerance in proportion."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS, Estimator

BY_STEP = [
    name
    for name, e in ESTIMATORS.items()
    if e.declares.knob == "step" and e.declares.order is not None
]
BY_TOLERANCE = [name for name, e in ESTIMATORS.items() if e.declares.knob == "tolerance"]
SMOOTH = [("lqr", "perturbed"), ("quadrotor", "initial")]
ROUNDING = 2e-14
MOST_STEPS = 128


def floor(estimator: Estimator) -> float:
    """Relative error above which neither rounding nor differencing shows."""
    return max(ROUNDING, 4 * estimator.declares.floor)


@pytest.mark.parametrize("preset", SMOOTH, ids="-".join)
@pytest.mark.parametrize("name", BY_STEP)
def test_observed_order_is_the_nominal_one(
    name: str,
    preset: tuple[str, str],
    short: Callable,
    reference_of: Callable,
    relative_error: Callable,
) -> None:
    """Truth: the error against the reference falls by 4^order over two halvings of the step.

    Over two, because an error may change its sign between meshes, as Dormand and Prince's does
    here. Beyond order 8 rounding hides the leading term of the error where that is not the largest;
    that Verner's method has order 9 and no more, its tableau's own test shows.
    """
    estimator = ESTIMATORS[name]
    problem = short(preset, 1.0, estimator)
    problem, x0 = problem.sample(np.random.default_rng(2), 1)
    reference = reference_of(problem, x0)
    errors, steps = [], 1
    while steps <= MOST_STEPS and (not errors or errors[-1] > floor(estimator)):
        estimate = estimator(problem, x0, problem.horizon / steps)
        errors.append(relative_error(estimate, reference)[0])
        steps *= 2
    usable = [error for error in errors if error > floor(estimator)]
    observed = np.log2(usable[-3] / usable[-1]) / 2
    assert estimator.declares.order is not None
    assert estimator.declares.order - 0.3 <= observed, errors
    if estimator.declares.order <= 8:
        assert observed <= estimator.declares.order + 0.6, errors


@pytest.mark.parametrize("preset", SMOOTH, ids="-".join)
@pytest.mark.parametrize("name", BY_TOLERANCE)
def test_error_follows_the_tolerance(
    name: str,
    preset: tuple[str, str],
    short: Callable,
    reference_of: Callable,
    relative_error: Callable,
) -> None:
    """Truth: a tolerance 1000 times tighter buys an error at least 100 times smaller.

    Or the powers of both that the estimator declares.
    """
    estimator: Estimator = ESTIMATORS[name]
    problem = short(preset, 2.0)
    problem, x0 = problem.sample(np.random.default_rng(2), 1)
    reference = reference_of(problem, x0)
    loose, tight = (
        relative_error(estimator(problem, x0, setting), reference)[0]
        for setting in (1e4 * estimator.declares.tight, 10 * estimator.declares.tight)
    )
    assert tight <= loose / 100**estimator.declares.tolerance_exponent
