"""Checks of the gradient: against references, as the knob is turned, across jumps, lane by lane."""

from math import factorial

import numpy as np

from gradpareto.bench.conformance.calls import call, coarse
from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.problems import SMOOTH, rotorcraft, solved
from gradpareto.bench.conformance.traits import observed_order
from gradpareto.bench.run.meter import metered
from gradpareto.estimators import Estimate, Estimator

RATE = 4.0
"""The rate of these problems, 1 / time: a step h of order p leaves about (RATE h)^p / (p + 1)!."""
MARGIN = 100.0
"""A solver's own constants may multiply that error, and a tolerance, by as much."""
ROUNDING = 1e-11
FALL = 30.0
"""The factor by which an error falls at least as the tolerance falls by 10000."""
DRAWN = 1.0
"""The relative error that an estimate from drawn rollouts may have. Its error falls with the root
of their number; an error larger than the gradient itself is no estimate of it."""
UNDECLARED_ORDER = 1
DIFFICULTY = np.array([[1e-3], [2.0], [0.5]])
"""Factors of the initial states: one at rest beside one far away, so that adaptive steps differ."""


def error_of(estimator: Estimator, name: str, setting: float) -> float:
    """The largest relative error of gradient and loss on a problem; infinite if one is missing."""
    known = solved(name)
    with np.errstate(all="ignore"):
        return known.worst_error(call(estimator, known.problem, known.x0, setting))


def allowed(estimator: Estimator) -> float:
    """The relative error that passes at the tight setting."""
    if estimator.declares.knob not in ("step", "tolerance"):
        return DRAWN
    if estimator.declares.knob == "tolerance":
        return float(
            MARGIN * estimator.declares.tight**estimator.declares.tolerance_exponent + ROUNDING
        )
    order = estimator.declares.order or UNDECLARED_ORDER
    return MARGIN * (RATE * estimator.declares.tight) ** order / factorial(order + 1) + ROUNDING


def gradient(estimator: Estimator) -> Finding:
    """The gradient and the loss at the tight setting agree with certified references."""
    most = allowed(estimator)
    found = {name: error_of(estimator, name, estimator.declares.tight) for name in SMOOTH}
    return judged(
        "gradient",
        max(found.values()) <= most,
        f"gradient and loss within {most:.1e} of the reference at its tight setting, "
        f"{estimator.declares.tight:g}",
        "relative errors: " + ", ".join(f"{name} {error:.1e}" for name, error in found.items()),
        "if the error is near 1, look for a missing term (dJ/dx, the running cost), a sign or a "
        "factor; if it is smaller but does not shrink with the setting, look for a quadrature or "
        "an interpolant of too low an order; else declare a smaller `tight`",
    )


def order(estimator: Estimator) -> Finding:
    """The error falls with the step at the declared order, or in proportion to the tolerance."""
    by = {"step": _order_by_step, "tolerance": _error_by_tolerance}.get(estimator.declares.knob)
    if by is None:
        return Finding(
            "order",
            "noted",
            "no order, since its knob is neither a step nor a tolerance",
            f"its knob is {estimator.declares.knob!r}: there is nothing to check",
        )
    return by(estimator)


def _order_by_step(estimator: Estimator) -> Finding:
    observed = observed_order(estimator)
    seen = f"errors fall with the power {observed:.1f} of the step"
    if np.isnan(observed):
        seen = "fewer than two step sizes have an error above rounding"
    if estimator.declares.order is None or np.isnan(observed):
        return Finding("order", "noted", "an order, if it declares one", seen)
    return judged(
        "order",
        observed >= estimator.declares.order - 0.5,
        f"errors that fall with the power {estimator.declares.order} of the step, as it declares",
        seen,
        "if `order` is right, look for the part of the method (stages, adjoint, quadrature, "
        "interpolant) whose own order is lower; else declare the order that is observed",
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
        f"an error that falls by a factor of {wanted:.2g} or more as the tolerance falls by 10000",
        "relative errors: "
        + ", ".join(f"{error:.1e} at tolerance {tolerance:.0e}" for error, tolerance in pairs)
        + _seen_order(estimator),
        "pass the tolerance on to every solve, forward and backward, and to the quadrature",
    )


def _seen_order(estimator: Estimator) -> str:
    # A method of low order takes millions of steps at the tolerances of the fit.
    if estimator.declares.tight > 1e-7:
        return ""
    return f"; errors fall with the power {observed_order(estimator):.1f} of its calls"


def breakpoints(estimator: Estimator) -> Finding:
    """The gradient is as accurate across a declared jump of the right-hand side as elsewhere."""
    most, found = allowed(estimator), error_of(estimator, "jump", estimator.declares.tight)
    return judged(
        "breakpoints",
        found <= most,
        f"an error within {most:.1e} across a declared jump, as on smooth problems",
        f"relative error {found:.1e}",
        "step exactly onto each end of problem.segments and start anew there; at a breakpoint, "
        "evaluate the right-hand side of the segment that the step is in",
    )


def lanes(estimator: Estimator) -> Finding:
    """Each sample has the same gradient and the same number of calls alone and in a batch."""
    problem, x0 = rotorcraft().sample(np.random.default_rng(8), len(DIFFICULTY))
    x0, setting = DIFFICULTY * x0, coarse(estimator, rotorcraft())
    batch = metered(problem, len(x0))
    together = call(estimator, batch, x0, setting)
    differences, counts = [], []
    for lane in range(len(x0)):
        single = metered(problem.take(np.array([lane])), 1)
        alone = call(estimator, single, x0[lane : lane + 1], setting)
        differences.append(_difference(alone, together, lane))
        counts.append((int(single.meter.evals[0]), int(batch.meter.evals[lane])))
    same = all(one == other for one, other in counts)
    # Rounding moves adaptive steps a little, and a poor interpolant's error moves with them.
    exponent = estimator.declares.tolerance_exponent
    most = 1e-9 if exponent == 1 else 0.1 * setting**exponent
    return judged(
        "lanes",
        max(differences) <= most and same,
        "a sample's gradient and its calls do not depend on the rest of its batch",
        f"relative differences up to {max(differences):.1e}; calls alone and in the batch: "
        + ", ".join(f"{one} and {other}" for one, other in counts),
        "give every lane its own time, step and acceptance, and call the oracles only with the "
        "lanes that need it",
    )


def _difference(alone: Estimate, together: Estimate, lane: int) -> float:
    """The relative difference of a sample's gradients, alone and in the batch."""
    one, other = alone.gradient[0], together.gradient[lane]
    return float(np.linalg.norm(one - other) / max(float(np.linalg.norm(one)), 1e-300))
