"""What every estimator declares of itself, held against what is measured."""

import pytest

from gradpareto.bench.conformance import traits
from gradpareto.estimators import ESTIMATORS, Estimator


@pytest.fixture(params=ESTIMATORS)
def estimator(request: pytest.FixtureRequest) -> Estimator:
    """Every registered estimator."""
    return ESTIMATORS[request.param]


def test_the_order_declared_is_observed(estimator: Estimator) -> None:
    """Truth: errors against a certified gradient; by the tolerance, against the calls of f.

    Those are a dozen where the order is high, and the first few and the last no choice of the
    tolerance's: the more of them there are not, the steeper the slope.
    """
    found = traits.observed_order(estimator)
    if estimator.declares.order is None:
        return
    steeper = estimator.declares.order / 2 if estimator.declares.order > 5 else 1.5
    low, high = (0.3, 0.6) if estimator.declares.knob == "step" else (0.5, steeper)
    assert estimator.declares.order - low <= found <= estimator.declares.order + high


def test_whoever_declares_to_be_exact_is_and_nobody_else(estimator: Estimator) -> None:
    """Truth: differences of the loss that it returns, of its own discretisation.

    One that takes differences is exact up to the floor that it declares, near rounding or not.
    """
    gap = traits.gradient_gap(estimator)
    if estimator.declares.floor:
        assert gap <= estimator.declares.floor
        assert not estimator.declares.exact
    else:
        assert (gap <= traits.EXACT) == estimator.declares.exact


def test_the_memory_declared_is_held(estimator: Estimator) -> None:
    """Truth: bytes traced at the turn, over steps eight times as many."""
    assert traits.memory_exponent(estimator) == pytest.approx(estimator.declares.memory, abs=0.25)


BY_STEP = [name for name, e in ESTIMATORS.items() if e.declares.knob == "step"]


@pytest.mark.parametrize("name", BY_STEP)
def test_a_step_costs_the_calls_declared(name: str) -> None:
    """Truth: the meter, over 8 steps more; where it iterates, to a factor of three."""
    own, problem = ESTIMATORS[name], traits.orbit(4.0)
    declared = (own.calls(problem, 4.0 / 16) - own.calls(problem, 4.0 / 8)) / 8
    slack = 3.0 if own.declares.iterative else 1.0
    assert declared / slack <= traits.calls_per_step(own) <= declared * slack


def test_whoever_declares_to_suit_stiff_systems_does_and_nobody_else(estimator: Estimator) -> None:
    """Truth: the closed form, and a ration of evaluations below what stability asks for."""
    assert traits.suits_stiff(estimator) == estimator.declares.stiff


def test_every_estimator_names_its_source(estimator: Estimator) -> None:
    assert estimator.declares.source
