"""Every declaration of every estimator agrees with its measurement."""

import pytest

from gradpareto.bench.conformance import traits
from gradpareto.bench.conformance.problems import orbit
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.estimators.differences import Differences
from gradpareto.estimators.rollouts import Rollouts


@pytest.fixture(params=ESTIMATORS)
def estimator(request: pytest.FixtureRequest) -> Estimator:
    """Every registered estimator."""
    return ESTIMATORS[request.param]


def test_the_order_declared_is_observed(estimator: Estimator) -> None:
    """Truth: errors against a certified gradient, over the step or, for a tolerance, over calls.

    A method of high order takes only a dozen steps, and its first and last are not chosen by the
    tolerance, so that the slope over the calls is steeper than the order.
    """
    found = traits.observed_order(estimator)
    if estimator.declares.order is None:
        return
    steeper = estimator.declares.order / 2 if estimator.declares.order > 5 else 1.5
    low, high = (0.3, 0.6) if estimator.declares.knob == "step" else (0.5, steeper)
    assert estimator.declares.order - low <= found <= estimator.declares.order + high


def test_whoever_declares_to_be_exact_is_and_nobody_else(estimator: Estimator) -> None:
    """Truth: differences of the loss that it returns, which is that of its own discretisation.

    An estimator that takes differences is exact up to the floor that it declares.
    """
    gap = traits.gradient_gap(estimator)
    if estimator.declares.floor:
        assert gap <= estimator.declares.floor
        assert not estimator.declares.exact
    else:
        assert (gap <= traits.EXACT) == estimator.declares.exact


def test_the_memory_declared_is_held(estimator: Estimator) -> None:
    """Truth: bytes traced at the turn, which eight times the steps multiply by 8^memory.

    What is constant may grow by a seventh; what is stored has a part that does not grow.
    """
    margin = 0.25 if estimator.declares.memory else 0.07
    assert traits.memory_exponent(estimator) == pytest.approx(estimator.declares.memory, abs=margin)


def test_only_what_calls_for_derivatives_has_a_turn(estimator: Estimator) -> None:
    """Truth: differences and rollouts call nothing but f, and hold nothing for a backward pass."""
    held, _ = traits.held_at_turn(estimator, 1.0, traits.MODERATE[estimator.declares.knob], 1)
    assert (held is None) == isinstance(estimator, Differences | Rollouts)


BY_STEP = [name for name, e in ESTIMATORS.items() if e.declares.knob == "step"]


@pytest.mark.parametrize("name", BY_STEP)
def test_a_step_costs_the_calls_declared(name: str) -> None:
    """Truth: the meter, over 8 further steps; an iterative method is held to a factor of three."""
    own, problem = ESTIMATORS[name], orbit(4.0)
    declared = (own.calls(problem, 4.0 / 16) - own.calls(problem, 4.0 / 8)) / 8
    slack = 3.0 if own.declares.iterative else 1.0
    assert declared / slack <= traits.calls_per_step(own) <= declared * slack


def test_whoever_declares_to_suit_stiff_systems_does_and_nobody_else(estimator: Estimator) -> None:
    """Truth: the closed form, within fewer evaluations than stability costs an explicit method."""
    assert traits.suits_stiff(estimator) == estimator.declares.stiff


def test_every_estimator_names_its_source(estimator: Estimator) -> None:
    assert estimator.declares.source
