"""Errors on the quadrotor fall with the step, and in proportion to the tolerance.

That every estimator has the order it declares is measured on the pendulum, in
`tests/bench/conformance/test_traits.py`. Here one estimator of each class is turned on a larger
system with a perceptron.
"""

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


def one_of_a_class(names: list[str]) -> list[str]:
    """The first registered estimator of each class."""
    return list({type(ESTIMATORS[name]): name for name in reversed(names)}.values())


QUADROTOR = ("quadrotor", "initial")
ROUNDING = 2e-14
MOST_STEPS = 128
UNSEEN = 0.075
"""The share of an order that may not show: a high one's error is at rounding on finer meshes."""


def floor(estimator: Estimator) -> float:
    """Relative error above which neither rounding nor differencing shows."""
    return max(ROUNDING, 4 * estimator.declares.floor)


@pytest.mark.parametrize("name", one_of_a_class(BY_STEP))
def test_observed_order_is_the_nominal_one(
    name: str, short: Callable, reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: the error against the reference falls by 4^order over two halvings of the step.

    It is taken over two because an error may change its sign between meshes, as Dormand and
    Prince's does here.
    """
    estimator = ESTIMATORS[name]
    problem = short(QUADROTOR, 1.0, estimator)
    problem, x0 = problem.sample(np.random.default_rng(2), 1)
    reference = reference_of(problem, x0)
    errors, steps = [], 1
    while steps <= MOST_STEPS and (not errors or errors[-1] > floor(estimator)):
        estimate = estimator(problem, x0, problem.horizon / steps)
        errors.append(relative_error(estimate, reference)[0])
        steps *= 2
    usable = [error for error in errors if error > floor(estimator)]
    observed = np.log2(usable[-3] / usable[-1]) / 2
    order = estimator.declares.order
    assert order is not None
    assert order - max(0.3, UNSEEN * order) <= observed <= order + 0.6, errors


@pytest.mark.parametrize("name", one_of_a_class(BY_TOLERANCE))
def test_error_follows_the_tolerance(
    name: str, short: Callable, reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: a tolerance 1000 times tighter buys an error at least 100 times smaller.

    Where the estimator declares an exponent of the tolerance, both are raised to it.
    """
    estimator: Estimator = ESTIMATORS[name]
    problem = short(QUADROTOR, 2.0)
    problem, x0 = problem.sample(np.random.default_rng(2), 1)
    reference = reference_of(problem, x0)
    loose, tight = (
        relative_error(estimator(problem, x0, setting), reference)[0]
        for setting in (1e4 * estimator.declares.tight, 10 * estimator.declares.tight)
    )
    assert tight <= loose / 100**estimator.declares.tolerance_exponent
