"""Short problems, their certified references, and what accuracy is asked of an estimator."""

from collections.abc import Callable
from math import factorial

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS, Estimate, Estimator
from gradpareto.estimators.neural_ode import NeuralOde
from gradpareto.reference import Reference, cache_key, certify
from gradpareto.systems import TASKS, Array, Policy, Problem

MOST_PARAMETERS = 200

RATE = 4.0
"""1 / time: costs and adjoints of the registered systems decay at most twice as fast as the states
of the perturbed LQR do, at 1.75. Those that are faster are in RATES."""
RATES = {"cartpole": 20.0, "stiff": 2e4, "lorenz": 40.0, "heat": 440.0}
"""The norm of the cart-pole's closed-loop Jacobian, at a gear of 10; twice the current's rate;
Lorenz's on the attractor; 4 diffusivity (points + 1)^2. Steps and horizons of these systems are
shorter in proportion: on longer ones an explicit method of few fixed steps is unstable."""
UNITS = {"electric": 4.0, "cartpole": 0.5}
"""Horizons of systems that start at rest, in place of RATE over their rate. The gradient in theta
grows with the third power of time or the fourth; earlier, N steps of Euler's method miss 3 / N or
6 / N of it, and the absolute tolerance is all that an adaptive solver looks at."""
SETTLING = {"stiff": 200.0, "heat": 50.0}
"""The factor by which adaptive methods may go longer, and must where a gradient is to outgrow their
absolute tolerances. Not if they solve the state backward: that multiplies errors by exp(rate T)."""
ACCUMULATION = 10.0
"""A tolerance bounds the error of one step; over the short horizons here, this many add up."""
OWN_ACCUMULATION = {("Multistep", "stiff"): 100.0}
"""An explicit multistep method goes on from the very solution whose error it estimates; at the end
of its stability it fills the tolerance at every step. For the adjoint of the current that is the
absolute one: 1e-3 tolerances beside a gradient of 1e-2, which the theta-gradient weighs by the
rate. A thousandth of that absolute tolerance leaves less than 2."""


@pytest.fixture(params=ESTIMATORS)
def name(request: pytest.FixtureRequest) -> str:
    """Every registered estimator."""
    return request.param


@pytest.fixture(params=[name for name, e in ESTIMATORS.items() if not e.declares.stochastic])
def deterministic(request: pytest.FixtureRequest) -> Estimator:
    """Every registered estimator that draws nothing; `test_rollouts` is about those that do."""
    return ESTIMATORS[request.param]


@pytest.fixture
def estimator(name: str) -> Estimator:
    return ESTIMATORS[name]


@pytest.fixture(scope="session")
def short() -> Callable[..., Problem]:
    """A task's preset over its own horizon, or over a shorter one.

    The horizon is in units of the system's time: RATE over its rate, or UNITS. An estimator that
    pays for every parameter gets the same system under a small perceptron; at full size,
    `test_discrete_adjoint` checks it over a single step. Error bounds derive from a flow that is
    smooth, so tanh stands in for ELU, whose second derivative jumps. `settled` is for SETTLING.
    """

    def problem(
        preset: tuple[str, str],
        horizon: float,
        estimator: Estimator | None = None,
        settled: bool = False,
    ) -> Problem:
        whole = TASKS[preset[0]].problem(preset[1])
        smooth = ("tanh" if name == "elu" else name for name in whole.policy.activations)
        policy, theta = Policy(whole.policy.sizes, tuple(smooth)), whole.theta
        expensive = estimator is not None and estimator.declares.cost_grows_with_parameters
        if expensive and policy.size > MOST_PARAMETERS:
            policy = Policy((policy.sizes[0], 4, policy.sizes[-1]), ("tanh", "identity"))
            theta = policy.glorot(np.random.default_rng(4), 0.3)
        horizon *= UNITS.get(preset[0], pace(preset[0]))
        adaptive = estimator and estimator.declares.knob == "tolerance"
        if settled and adaptive and not isinstance(estimator, NeuralOde):
            horizon *= SETTLING.get(preset[0], 1.0)
        return Problem(whole.system, policy, theta, min(horizon, whole.horizon))

    return problem


def pace(system: str) -> float:
    """A step of a registered system over one of the same accuracy at rate RATE."""
    return RATE / RATES.get(system, RATE)


@pytest.fixture
def paced(preset: tuple[str, str]) -> Callable[[Estimator, float], float]:
    """An estimator's setting for the preset's system: a step goes by its rate, a tolerance not."""
    return lambda e, setting: setting * pace(preset[0]) if e.declares.knob == "step" else setting


@pytest.fixture(scope="session")
def reference_of() -> Callable[[Problem, Array], Reference]:
    """The reference on which independent methods agree, each made once.

    What more a certificate looks for (jumps, short features, methods of a system that are wrong) is
    tested on these systems in tests/reference.
    """
    held: dict[str, Reference] = {}

    def made(problem: Problem, x0: Array) -> Reference:
        key = cache_key(problem, x0)
        if key not in held:
            held[key] = certify(problem, x0, thorough=False)
            assert (held[key].rel_uncertainty < 1e-12).all()
        return held[key]

    return made


@pytest.fixture(scope="session")
def relative_error() -> Callable[[Estimate, Reference], Array]:
    """Relative error of the stacked gradient in each sample."""

    def of(estimate: Estimate, reference: Reference) -> Array:
        assert not estimate.failed
        missed = np.hstack([estimate.grad_x0, estimate.grad_theta]) - reference.gradient
        return np.linalg.norm(missed, axis=1) / np.linalg.norm(reference.gradient, axis=1)

    return of


@pytest.fixture(scope="session")
def required() -> Callable[..., float]:
    """The relative error that an estimator may make at a setting.

    A step h of a method of order p leaves a Taylor remainder of (RATE h)^p / (p + 1)! a unit of
    time; a tolerance leaves itself, or the power of it that the estimator declares, ACCUMULATION
    times. A polynomial of N nodes over a unit of time, or a piece of it, converges geometrically:
    it leaves (RATE h)^N. Differencing and rounding leave 1e-12.
    """

    def bound(estimator: Estimator, setting: float, system: str = "") -> float:
        if estimator.declares.knob == "tolerance":
            kind = type(estimator).__name__
            accumulation = OWN_ACCUMULATION.get((kind, system), ACCUMULATION)
            return accumulation * setting**estimator.declares.tolerance_exponent
        if estimator.declares.order is None:
            nodes = 1 / (estimator.pieces * setting)
            return (RATE * setting) ** nodes + 1e-12
        return (RATE * setting) ** estimator.declares.order / factorial(
            estimator.declares.order + 1
        ) + 1e-12

    return bound
