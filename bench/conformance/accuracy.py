"""Is the gradient right: against references, as the knob is turned, across jumps, lane by lane."""

from functools import cache
from math import factorial

import numpy as np

from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.problems import PROBLEMS, SMOOTH, rotorcraft
from gradpareto.bench.conformance.traits import observed_order
from gradpareto.bench.run.meter import metered
from gradpareto.bench.run.validation import copied
from gradpareto.estimators import Estimate, Estimator
from gradpareto.reference import Reference, certify
from gradpareto.systems import Array, Problem

SAMPLES = 2
SEED = 1
RATE = 4.0
"""1 / time, of these problems: a step h of order p leaves (RATE h)^p / (p + 1)! or so."""
MARGIN = 100.0
"""What a solver's own constants may make of that, and of a tolerance."""
ROUNDING = 1e-11
FALL = 30.0
"""Of the error, at least, as the tolerance falls by 10000."""
DRAWN = 1.0
"""The relative error of an estimate from drawn rollouts, which fall with the root of their number:
anything larger than the gradient itself is no estimate of it."""
UNDECLARED_ORDER = 1
DIFFICULTY = np.array([[1e-3], [2.0], [0.5]])
"""Initial states scaled so: at rest next to far away, so that adaptive steps differ by much."""


@cache
def _certified(name: str) -> tuple[Problem, Array, Reference]:
    problem, x0 = sampled(PROBLEMS[name]())
    return problem, x0, certify(problem, x0)


def error_of(estimator: Estimator, name: str, setting: float) -> float:
    """The worst relative error of gradient and loss over SAMPLES; infinite where one is missing."""
    problem, x0, reference = _certified(name)
    with np.errstate(all="ignore"):
        estimate = call(estimator, problem, x0, setting)
    off = np.linalg.norm(estimate.gradient - reference.gradient, axis=1)
    gradient = off / np.linalg.norm(reference.gradient, axis=1)
    loss = np.abs(estimate.loss - reference.loss) / np.abs(reference.loss)
    worst = float(np.max([gradient, loss]))
    return worst if np.isfinite(worst) else np.inf


def allowed(estimator: Estimator) -> float:
    """The relative error that is let pass at the tight setting."""
    if estimator.declares.knob not in ("step", "tolerance"):
        return DRAWN
    if estimator.declares.knob == "tolerance":
        return float(
            MARGIN * estimator.declares.tight**estimator.declares.tolerance_exponent + ROUNDING
        )
    order = estimator.declares.order or UNDECLARED_ORDER
    return MARGIN * (RATE * estimator.declares.tight) ** order / factorial(order + 1) + ROUNDING


def gradient(estimator: Estimator) -> Finding:
    """Against certified references, at the tight setting."""
    most, tight = allowed(estimator), estimator.declares.tight
    found = {name: error_of(estimator, name, tight) for name in SMOOTH}
    return judged(
        "gradient",
        max(found.values()) <= most,
        f"gradient and loss within {most:.1e} of the reference at {tight:g} (its tight)",
        ", ".join(f"{name} {error:.1e}" for name, error in found.items()),
        "an error near 1 is a missing term (dJ/dx, the running cost, a sign or a factor); one that "
        "is smaller but stays is a quadrature or an interpolant of too low an order, or a `tight` "
        "that is not",
    )


def order(estimator: Estimator) -> Finding:
    """How the error goes with the knob."""
    by = {"step": _order_by_step, "tolerance": _error_by_tolerance}.get(estimator.declares.knob)
    if by is None:
        return Finding(
            "order", "noted", "nothing of this knob", f"its knob is {estimator.declares.knob}"
        )
    return by(estimator)


def _order_by_step(estimator: Estimator) -> Finding:
    observed = observed_order(estimator)
    if estimator.declares.order is None or np.isnan(observed):
        seen = "no two step sizes above rounding" if np.isnan(observed) else f"{observed:.1f}"
        return Finding("order", "noted", "an order, if it declares one", seen)
    return judged(
        "order",
        observed >= estimator.declares.order - 0.5,
        f"errors that fall with the power {estimator.declares.order} of the step, as it declares",
        f"{observed:.1f}",
        "either `order` is not what it says, or one of its parts (stages, adjoint, quadrature, "
        "interpolant) has a lower one than the rest",
    )


def _error_by_tolerance(estimator: Estimator) -> Finding:
    ladder = [estimator.declares.tight * factor for factor in (1e4, 1e2, 1.0)]
    errors = [error_of(estimator, "pendulum", tolerance) for tolerance in ladder]
    wanted = FALL**estimator.declares.tolerance_exponent
    falls = errors[-1] <= max(errors[0] / wanted, ROUNDING)
    pairs = zip(errors, ladder, strict=True)
    return judged(
        "order",
        falls,
        f"an error that falls by {wanted:.2g} or more as the tolerance does by 10000",
        ", ".join(f"{error:.1e} at {tolerance:.0e}" for error, tolerance in pairs)
        + _seen_order(estimator),
        "the tolerance has to reach every solve, forward and backward, and the quadrature",
    )


def _seen_order(estimator: Estimator) -> str:
    """Not of one of low order, which takes millions of steps at the tolerances of a fit."""
    if estimator.declares.tight > 1e-7:
        return ""
    return f"; order {observed_order(estimator):.1f} in its calls"


def breakpoints(estimator: Estimator) -> Finding:
    """Across a jump of the right-hand side that the system declares."""
    most, found = allowed(estimator), error_of(estimator, "jump", estimator.declares.tight)
    return judged(
        "breakpoints",
        found <= most,
        f"within {most:.1e} across a declared jump, as on smooth problems",
        f"{found:.1e}",
        "step exactly onto each of problem.segments and start anew there; at a breakpoint evaluate "
        "on the side the step is on",
    )


def lanes(estimator: Estimator) -> Finding:
    """Each sample of a batch against the same sample alone: numbers and counts."""
    problem, x0 = rotorcraft().sample(np.random.default_rng(8), len(DIFFICULTY))
    x0, setting = DIFFICULTY * x0, coarse(estimator, rotorcraft())
    batch = metered(problem, len(x0))
    together = call(estimator, batch, x0, setting)
    differences, counts = [], []
    for lane in range(len(x0)):
        single = metered(problem.take(np.array([lane])), 1)
        alone = call(estimator, single, x0[lane : lane + 1], setting)
        differences.append(_apart(alone, together, lane))
        counts.append((int(single.meter.evals[0]), int(batch.meter.evals[lane])))
    same = all(one == other for one, other in counts)
    # Steps that rounding moves leave as much of what a poor interpolant misses.
    exponent = estimator.declares.tolerance_exponent
    most = 1e-9 if exponent == 1 else 0.1 * setting**exponent
    return judged(
        "lanes",
        max(differences) <= most and same,
        "a sample's gradient and its counts do not depend on its batch mates",
        f"relative differences up to {max(differences):.1e}; calls alone and in the batch: "
        + ", ".join(f"{one} and {other}" for one, other in counts),
        "give every lane its own time, step and acceptance, and call the oracles only with the "
        "lanes that need it",
    )


def _apart(alone: Estimate, together: Estimate, lane: int) -> float:
    one, other = alone.gradient[0], together.gradient[lane]
    return float(np.linalg.norm(one - other) / max(float(np.linalg.norm(one)), 1e-300))


def call(estimator: Estimator, problem: Problem, x0: Array, setting: float) -> Estimate:
    """With inputs of its own and a copied result: what it does to them is another check's."""
    given = problem.with_theta(problem.theta.copy())
    return copied(estimator(given, x0.copy(), setting))


def coarse(estimator: Estimator, problem: Problem) -> float:
    """A setting at which a call is cheap."""
    if estimator.declares.knob == "step":
        return problem.horizon / 7
    return (
        max(1e-5, estimator.declares.tight)
        if estimator.declares.knob == "tolerance"
        else estimator.declares.tight
    )


def sampled(problem: Problem, samples: int = SAMPLES) -> tuple[Problem, Array]:
    return problem.sample(np.random.default_rng(SEED), samples)
