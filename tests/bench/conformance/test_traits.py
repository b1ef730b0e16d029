"""Every declaration agrees with its measurement.

Exactness and the calls of a step are measured of every estimator. What takes longer is measured of
some, so that another of the same class runs the same code: the order of each form and of each
tableau, the memory of each form, and fitness for stiff systems of each class and each solver.
"""

import gc
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import fields, replace

import numpy as np
import pytest

from gradpareto.bench.conformance import memory, traits
from gradpareto.bench.conformance.problems import orbit
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.estimators.collocation import Collocation
from gradpareto.estimators.differences import Differences
from gradpareto.estimators.rollouts import Rollouts


@pytest.fixture(params=ESTIMATORS)
def estimator(request: pytest.FixtureRequest) -> Estimator:
    """Every registered estimator."""
    return ESTIMATORS[request.param]


IN_ARRAYS_OF_ONE_CALL = {("Checkpointed", True): 0.0, ("Collocation", None): 1.0}
"""The exponents of two that declare what is in no array of a call, by type and form: online
checkpointing keeps 8 bytes a step in a Python array, and the matrices of spectral collocation,
whose size is the square of the number of nodes, are kept for later calls."""


def type_and_form(estimator: Estimator) -> tuple[str, bool | None]:
    if isinstance(estimator, Collocation):
        whole = estimator.stages is None and estimator.pieces == 1
        return "Collocation", None if whole else False
    return type(estimator).__name__, getattr(estimator, "online", False)


def order_form(estimator: Estimator) -> tuple[object, ...]:
    """The form, which is all but the coefficients; and the tableau, once for each kind of knob."""
    parts = {field.name: getattr(estimator, field.name) for field in fields(estimator)}  # type: ignore[arg-type]
    tableau = parts.pop("tableau", None)
    shape = [value for name, value in parts.items() if name not in ("tight", "source")]
    knob = estimator.declares.knob
    return (type(estimator), knob, repr(shape)), (knob, tableau and tableau.name)


def memory_form(estimator: Estimator) -> tuple[object, ...]:
    """What decides what is stored, and the exponent that is declared."""
    declared = estimator.declares
    names = ("replay", "interpolant", "solver", "checkpoints", "pieces")
    parts = [getattr(estimator, name, None) for name in names]
    return ((*type_and_form(estimator), declared.knob, declared.memory, *parts),)


def stiff_form(estimator: Estimator) -> tuple[object, ...]:
    """The solver, and what is declared; where the knob is a step all are tried, at little cost."""
    declared = estimator.declares
    own = estimator if declared.knob == "step" else getattr(estimator, "solver", None)
    return ((type(estimator), declared.stiff, own),)


HIGHEST_FIRST = sorted(
    (name for name, own in ESTIMATORS.items() if own.declares.order is not None),
    key=lambda name: -(ESTIMATORS[name].declares.order or 0),
)
"""In a method of high order a part of lower order shows most, and it takes the fewest steps."""


def covering(
    form: Callable[[Estimator], tuple[object, ...]], names: Iterable[str] = ESTIMATORS
) -> list[str]:
    """Choose names so that each part of the form of each estimator is found in one of them."""
    seen: set[object] = set()
    chosen = []
    for name in names:
        parts = set(form(ESTIMATORS[name]))
        if parts - seen:
            chosen.append(name)
            seen |= parts
    return chosen


@pytest.mark.parametrize("name", covering(order_form, HIGHEST_FIRST))
def test_the_order_declared_is_observed(name: str) -> None:
    """Truth: errors against a certified gradient, over the step or, for a tolerance, over calls.

    A method of high order takes only a dozen steps, and its first and last are not chosen by the
    tolerance, so that the slope over the calls is steeper than the order. Beyond order 10, errors
    are at rounding before a step is so short that they fall with the order alone.
    """
    estimator = ESTIMATORS[name]
    order = estimator.declares.order
    assert order is not None
    if estimator.declares.knob == "tolerance" and order <= 2:
        # At the tolerances for higher orders it takes seconds; those for `tight` 1e-6 do as well.
        estimator = replace(estimator, tight=1e-6)  # type: ignore[type-var]
    found = traits.observed_order(estimator)
    steeper = order / 2 if order > 5 else 1.5
    by_step = estimator.declares.knob == "step"
    low = 0.3 if by_step else 0.5
    high = 0.6 if by_step and order <= 10 else steeper
    assert order - low <= found <= order + high


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


@pytest.mark.parametrize("name", covering(memory_form))
def test_the_memory_declared_is_held(name: str) -> None:
    """Truth: bytes traced at the turn, which eight times the steps multiply by 8^memory.

    What is constant may grow by a seventh; what is stored has a part that does not grow.
    """
    estimator = ESTIMATORS[name]
    declared = IN_ARRAYS_OF_ONE_CALL.get(type_and_form(estimator), estimator.declares.memory)
    margin = 0.25 if declared else 0.07
    assert memory.memory_exponent(estimator) == pytest.approx(declared, abs=margin)


@pytest.mark.parametrize("name", covering(memory_form))
def test_only_what_calls_for_derivatives_has_a_turn(name: str) -> None:
    """Truth: differences and rollouts call nothing but f, and hold nothing for a backward pass."""
    estimator = ESTIMATORS[name]
    held, _ = memory.held_at_turn(estimator, 1.0, memory.MODERATE[estimator.declares.knob], 1)
    assert (held is None) == isinstance(estimator, Differences | Rollouts)


def test_the_collector_is_left_as_it_was_whatever_is_raised() -> None:
    """Whether a solver raises or not, a collector that was off stays off, and nothing is frozen."""
    gc.disable()
    frozen = gc.get_freeze_count()
    try:
        memory.held_at_turn(ESTIMATORS["ctpg-scipy"], 1.0, 1e-4, 1)
        with pytest.raises(ValueError, match="step"):
            memory.held_at_turn(ESTIMATORS["bptt"], 1.0, -1.0, 1)
        assert not gc.isenabled()
        assert gc.get_freeze_count() == frozen
        assert not tracemalloc.is_tracing()
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["ctpg-scipy-bdf", "online-tsit5", "spectral-segments", "bptt"])
def test_what_ran_before_does_not_change_the_memory_measured(name: str) -> None:
    own = ESTIMATORS[name]
    setting = memory.MODERATE[own.declares.knob]
    alone, _ = memory.held_at_turn(own, 16.0, setting, 2)
    cycle: list[object] = [np.empty(10**5)]
    cycle.append(cycle)
    for _ in range(2):
        ESTIMATORS["ctpg-scipy"](orbit(4.0), np.ones((2, 2)), 1e-4)
    del cycle
    after, _ = memory.held_at_turn(own, 16.0, setting, 2)
    assert after == pytest.approx(alone, rel=0.02)


BY_STEP = [name for name, e in ESTIMATORS.items() if e.declares.knob == "step"]


@pytest.mark.parametrize("name", BY_STEP)
def test_a_step_costs_the_calls_declared(name: str) -> None:
    """Truth: the meter, over 8 further steps; an iterative method is held to a factor of three."""
    own, problem = ESTIMATORS[name], orbit(4.0)
    declared = (own.calls(problem, 4.0 / 16) - own.calls(problem, 4.0 / 8)) / 8
    slack = 3.0 if own.declares.iterative else 1.0
    assert declared / slack <= traits.calls_per_step(own) <= declared * slack


@pytest.mark.parametrize("name", covering(stiff_form))
def test_whoever_declares_to_suit_stiff_systems_does_and_nobody_else(name: str) -> None:
    """Truth: the closed form, within fewer evaluations than stability costs an explicit method."""
    estimator = ESTIMATORS[name]
    assert traits.suits_stiff(estimator) == estimator.declares.stiff


def test_every_estimator_names_its_source(estimator: Estimator) -> None:
    assert estimator.declares.source
