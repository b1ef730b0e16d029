"""Checks that the error vanishes as the knob is turned, and that no step is left out."""

from collections.abc import Sequence

import numpy as np

from gradpareto.bench.conformance import bias
from gradpareto.bench.conformance.accuracy import ROUNDING
from gradpareto.bench.conformance.calls import call
from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.problems import Solved, circling, solved, swing
from gradpareto.bench.conformance.traits import (
    EXACT,
    gradient_gap,
    observed_order,
    order_of_steps,
    step_errors,
)
from gradpareto.estimators import Estimator
from gradpareto.systems import Array

FALL = 30.0
"""The factor by which an error falls at least as the tolerance falls by 10000."""
LAST_FALL = 3.0
"""The factor by which it falls at least as the tolerance falls by the last 100 of these."""
LEAST_ORDER = 0.5
"""The order that is observed at least of an estimator that declares none, since its error falls."""
ROLLOUTS_FALL = 2.0
"""The factor by which an error that is not random falls at least with 16 times the rollouts."""
COUNTS = (64, 128, 256)
LIMIT = 1e-5
"""The relative error that is left at most, in each part, where the step goes to zero."""
STEPS = 200
PARTIAL = 0.05
"""The share of the error that may change if one step in STEPS is half as long. It is about
order / (2 STEPS) for a method that takes the half step; a step left out changes a third or more."""


def order(estimator: Estimator) -> Finding:
    """The error falls as the knob is tightened: at the declared order, if there is one."""
    if estimator.declares.stochastic:
        return bias.spread(estimator)
    checks = {"step": _order_by_step, "tolerance": _by_tolerance, "rollouts": _by_rollouts}
    return checks[estimator.declares.knob](estimator)


def _order_by_step(estimator: Estimator) -> Finding:
    declared = estimator.declares.order
    least = LEAST_ORDER if declared is None else declared - 0.5
    usable = step_errors(estimator)
    observed = order_of_steps(usable)
    finite = all(np.isfinite(error) for _, error in usable)
    seen = f"errors fall with the power {observed:.1f} of the step: " + ", ".join(
        f"{error:.1e} with {count} steps" for count, error in usable[-3:]
    )
    if len(usable) < 2:
        seen = "fewer than two step sizes have an error above rounding"
    return judged(
        "order",
        finite and (len(usable) < 2 or observed >= least),
        "errors that fall with the power "
        + (f"{declared} of the step, as it declares" if declared else f"{least} or more of it"),
        seen,
        "an error that does not fall is not one of the steps: look for a wrong term, a result that "
        "is kept from an earlier call, or sums in float32. If it falls too slowly, look for the "
        "part of the method (stages, adjoint, quadrature, interpolant) whose own order is lower, "
        "or declare the order that is observed",
    )


def _by_tolerance(estimator: Estimator) -> Finding:
    declared = estimator.declares
    ladder = [declared.tight * factor for factor in (1e4, 1e2, 1.0)]
    errors = _worst_errors(estimator, ladder)
    wanted, last = (factor**declared.tolerance_exponent for factor in (FALL, LAST_FALL))
    falls = errors[2] <= min(errors[0] / wanted, errors[1] / last) or errors[2] <= ROUNDING
    return judged(
        "order",
        falls and bool(np.isfinite(errors).all()),
        f"an error that falls by a factor of {wanted:.2g} or more as the tolerance falls by 10000, "
        f"and by {last:.2g} or more as it falls by the last 100 of these",
        _ladder("tolerance", ladder, errors) + _seen_order(estimator),
        "pass the tolerance on to every solve, forward and backward, and to the quadrature; keep "
        "no result from an earlier call, and sum in float64",
    )


def _by_rollouts(estimator: Estimator) -> Finding:
    ladder = [estimator.declares.tight / 16, estimator.declares.tight]
    errors = _worst_errors(estimator, ladder)
    return judged(
        "order",
        bool(np.isfinite(errors[0])) and errors[1] <= max(errors[0] / ROLLOUTS_FALL, ROUNDING),
        f"an error that falls by a factor of {ROLLOUTS_FALL:g} or more with 16 times the rollouts",
        _ladder("rollouts", ladder, errors),
        "use all the rollouts that the setting allows; if they are drawn at random, declare "
        "`stochastic`",
    )


def _worst_errors(estimator: Estimator, settings: Sequence[float]) -> list[float]:
    """The largest error of a sample's loss or stacked gradient on the pendulum, at each setting."""
    known = solved("pendulum")
    found = []
    for setting in settings:
        estimate = call(estimator, known.problem, known.x0, setting)
        losses = np.abs(estimate.loss / known.loss - 1)
        found.append(float(np.max([losses, known.gradient_errors(estimate)])))
    return found


def _ladder(knob: str, settings: Sequence[float], errors: Sequence[float]) -> str:
    pairs = zip(errors, settings, strict=True)
    return "relative errors: " + ", ".join(f"{e:.1e} at {knob} {s:.3g}" for e, s in pairs)


def _seen_order(estimator: Estimator) -> str:
    # A method of low order takes millions of steps at the tolerances of the fit.
    if estimator.declares.tight > 1e-7:
        return ""
    return f"; errors fall with the power {observed_order(estimator):.1f} of its calls"


def limit(estimator: Estimator) -> Finding:
    """The loss and the gradient tend to the true ones as the step goes to zero.

    A constant error hides behind the error of the steps of a method of low order. Extrapolation in
    the step removes the latter and leaves the former.
    """
    if estimator.declares.knob != "step" or estimator.declares.stochastic:
        return _no_step("limit", "a limit as the step goes to zero")
    known, order = swing(1.0), estimator.declares.order
    found = np.stack([_relative(known, estimator, 1.0 / count) for count in COUNTS])
    power = float(order or max(1, _power(found)))
    limits = found
    for further in range(len(COUNTS) - 1):
        factor = 2 ** (power + further)
        limits = (factor * limits[1:] - limits[:-1]) / (factor - 1)
    direct, extrapolated = np.abs(found[-1]).max(), np.abs(limits[0]).max()
    return judged(
        "limit",
        bool(min(direct, extrapolated) <= LIMIT),
        f"a relative error within {LIMIT:.0e} of the truth in the limit of small steps",
        f"relative error {direct:.1e} with {COUNTS[-1]} steps, and {extrapolated:.1e} extrapolated "
        f"from {', '.join(map(str, COUNTS))} steps at order {power:g}",
        "an error remains that no step removes: look for a term that is a little wrong, in the "
        "loss or the gradient, and for sums in float32",
    )


def _power(found: Array) -> int:
    """The power of the step with which the changes from row to row fall, as a whole number."""
    coarse, fine = np.linalg.norm(np.diff(found, axis=0), axis=1)[-2:]
    ratio = np.log2(coarse / fine) if fine > 0 else 1.0
    return round(float(ratio)) if np.isfinite(ratio) else 1


def _relative(known: Solved, estimator: Estimator, setting: float) -> Array:
    """The errors of loss and gradient of every sample, over the norms of their parts, in a row."""
    estimate = call(estimator, known.problem, known.x0, setting)
    given = known.parts(estimate.loss, estimate.gradient)
    return np.concatenate(
        [
            ((given[part] - true) / np.linalg.norm(true, axis=1)[:, None]).ravel()
            for part, true in known.true.items()
        ]
    )


def last_step(estimator: Estimator) -> Finding:
    """The step that is left over, where the horizon is no multiple of the step, is taken."""
    if estimator.declares.knob != "step" or estimator.declares.stochastic:
        return _no_step("last_step", "a last step that may be shorter")
    known = circling()
    horizon, floor = known.problem.horizon, max(1e-9, estimator.declares.floor)
    whole = _relative(known, estimator, horizon / STEPS)
    broken = _relative(known, estimator, horizon / (STEPS - 0.5))
    error = float(np.abs(whole).max())
    change = float(np.abs(broken - whole).max())
    order = estimator.declares.order or 1
    most = PARTIAL * max(1, order / 2) * error + floor
    return judged(
        "last_step",
        change <= most,
        f"a change of at most {most:.1e} if the horizon is {STEPS - 0.5} steps long, not {STEPS}",
        f"the result changes by {change:.1e} of its norm, where its error is {error:.1e}",
        "take the last step of each segment too, and if it is shorter at its own length: "
        "ceil(T / h) steps, not int(T / h), forward, backward and in the quadrature",
    )


def exactness(estimator: Estimator) -> Finding:
    """The gradient of an estimator that declares to be exact is that of its own loss."""
    expected = "a gradient that is the derivative of the loss it returns, if it declares `exact`"
    if not estimator.declares.exact:
        return Finding("exactness", "noted", expected, "it does not declare to be exact")
    gap = gradient_gap(estimator)
    return judged(
        "exactness",
        gap <= EXACT,
        expected,
        f"along a random direction, it differs from differences of that loss by {gap:.1e}",
        "differentiate every operation of the forward solve, or declare exact = False",
    )


def _no_step(check: str, what: str) -> Finding:
    return Finding(check, "noted", what, "its knob is not a step")
