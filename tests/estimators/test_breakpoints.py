"""A right-hand side that jumps at a declared time, through every estimator."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.bench.conformance.problems import JUMP, Gear
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import Policy, Problem, System


class Undeclared(Gear):
    """A gear whose jump nobody is told of."""

    breakpoints = ()


def problem(system: System) -> Problem:
    return Problem(system, Policy((1, 1), ("identity",)), np.array([-0.8, 0.3]), 1.0)


class Repeated(Gear):
    """A gear whose jump is declared three times, twice a rounding apart, and beyond both ends."""

    breakpoints = (*Gear.breakpoints, JUMP, float(np.nextafter(JUMP, 1)), 0.0, 5e-324, 1.0, -1.0)


X0 = Gear().sample_x0(np.random.default_rng(0), 2)


def test_every_estimator_is_as_accurate_across_a_declared_jump(
    deterministic: Estimator, reference_of: Callable, relative_error: Callable, required: Callable
) -> None:
    """Truth: the certified reference, to the same bound as on smooth problems."""
    declared = problem(Gear())
    reference = reference_of(declared, X0)
    estimate = deterministic(declared, X0, deterministic.declares.tight)
    bound = required(deterministic, deterministic.declares.tight)
    assert (relative_error(estimate, reference) <= bound).all()
    np.testing.assert_allclose(estimate.loss, reference.loss, rtol=bound)


ROUNDING = 2e-15
"""The relative error that a method of high order reaches in four steps."""
HIGH_ORDER = [
    n for n, e in ESTIMATORS.items() if e.declares.knob == "step" and (e.declares.order or 0) > 1
]


@pytest.mark.parametrize("name", HIGH_ORDER)
def test_order_survives_a_declared_jump_and_only_a_declared_one(
    name: str, reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: errors of two meshes against the reference: the nominal order, or the first."""
    estimator = ESTIMATORS[name]
    reference = reference_of(problem(Gear()), X0)
    # On both sides of the jump, half the step is twice as many steps, or nearly.
    order = estimator.declares.order or 0
    steps = (0.7, 0.35) if order > 8 else (0.4, 0.2) if order > 4 else (0.05, 0.025)
    declared, undeclared = (
        [relative_error(estimator(problem(s), X0, h), reference).max() for h in steps]
        for s in (Gear(), Undeclared())
    )
    assert declared[1] < max(declared[0] / 2 ** (order - 0.5), ROUNDING)
    assert undeclared[1] > 10 * declared[1]


def test_breakpoints_that_are_one_are_stepped_onto_once(deterministic: Estimator) -> None:
    """Truth: the estimate of the gear that declares its jump once, to the last bit."""
    setting = max(deterministic.declares.tight, 1e-3)
    one, repeated = (deterministic(problem(s), X0, setting) for s in (Gear(), Repeated()))
    assert np.isfinite(one.gradient).all()
    assert np.array_equal(one.gradient, repeated.gradient)
    assert np.array_equal(one.steps, repeated.steps)
