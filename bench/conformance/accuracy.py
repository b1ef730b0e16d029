"""Checks of the gradient at one setting: against the truth, across jumps, lane by lane."""

from collections.abc import Iterable, Mapping, Sequence
from math import factorial

import numpy as np

from gradpareto.bench.conformance import bias
from gradpareto.bench.conformance.calls import call, coarse
from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.probes import moved
from gradpareto.bench.conformance.problems import (
    JUMPS,
    SAMPLES,
    SMOOTH,
    batches,
    rotorcraft,
    solved,
)
from gradpareto.bench.run.meter import metered
from gradpareto.estimators import Estimate, Estimator

CAP = 1e-3
"""The largest relative error that passes, whatever is declared."""
FINER = 6
"""A step that is too long for CAP is tried again, divided by this: Euler's method has errors of
about 3e-3 at a step of 1e-3, and is right all the same."""
RATE = 4.0
"""The rate of these problems, 1 / time: a step h of order p leaves about (RATE h)^p / (p + 1)!."""
MARGIN = 100.0
"""A solver's own constants may multiply that error, and a tolerance, by as much."""
ROUNDING = 1e-11
ACROSS = 30.0
"""The factor by which an error across a jump may be larger than that on the same ground, smooth."""
SMALL = 1e-10
"""An error that is small enough across a jump, however small it is on smooth ground."""
DIFFICULTY = np.array([[1e-3], [2.0], [0.5]])
"""Factors of the initial states: one at rest beside one far away, so that adaptive steps differ."""

Errors = Mapping[str, Mapping[str, float]]
"""The relative error of each part of the result (see `problems.PARTS`), by problem."""


def allowed(estimator: Estimator, setting: float) -> float:
    """The relative error that passes at a setting: what its declarations lead to, CAP at most."""
    declared = estimator.declares
    if declared.knob == "tolerance":
        return float(min(CAP, MARGIN * setting**declared.tolerance_exponent + ROUNDING))
    if declared.knob == "step" and declared.order:
        order = declared.order
        return min(CAP, MARGIN * (RATE * setting) ** order / factorial(order + 1) + ROUNDING)
    return CAP


def gradient(estimator: Estimator) -> Finding:
    """The gradient and the loss at the tight setting agree with independent ones."""
    if estimator.declares.stochastic:
        return bias.unbiased("gradient", estimator, ("linear regulator",))
    setting, found = _refined(estimator, SMOOTH)
    most = allowed(estimator, setting)
    good = _worst(found) <= most
    return judged(
        "gradient",
        good,
        f"loss, dL/dx0 and dL/dtheta within {most:.1e} of the truth at "
        f"{estimator.declares.knob} {setting:g}",
        _told(found) + ("" if good else _shape_of_the_worst(estimator, found, setting)),
        "if a part is a multiple of the true one, look for a sign or a factor; else for a missing "
        "term (dJ/dx, the running cost, the last step), a transposed matrix or a mixed-up lane; if "
        "the error shrinks with the setting, declare a smaller `tight`",
    )


def _refined(estimator: Estimator, names: Iterable[str]) -> tuple[float, Errors]:
    """The errors at the tight setting or, if they are too large there, at a step FINER times finer.

    Only a step is refined: a tolerance reaches CAP at once.
    """
    tight, names = estimator.declares.tight, list(names)
    found = _errors(estimator, names, tight)
    if _worst(found) <= allowed(estimator, tight) or estimator.declares.knob != "step":
        return tight, found
    # With an error of CAP at the finer step, an error that falls with it was FINER CAP at most.
    if not _worst(found) <= FINER * CAP:
        return tight, found
    return tight / FINER, _errors(estimator, names, tight / FINER)


def _errors(estimator: Estimator, names: Sequence[str], setting: float) -> Errors:
    found = {}
    for batch, known in batches(names):
        estimate = call(estimator, known.problem, known.x0, setting)
        for k, name in enumerate(batch):
            found[name] = known.part_errors(estimate, slice(SAMPLES * k, SAMPLES * (k + 1)))
    return found


def _worst(found: Errors) -> float:
    return max(max(parts.values()) for parts in found.values())


def _told(found: Errors) -> str:
    rows = (
        f"{name} {', '.join(f'{error:.1e}' for error in parts.values())}"
        for name, parts in found.items()
    )
    return f"relative errors of {', '.join(next(iter(found.values())))}: {'; '.join(rows)}"


def _shape_of_the_worst(estimator: Estimator, found: Errors, setting: float) -> str:
    """Tell which multiple of the truth the worst part is, for each sample: a sign or a factor."""
    name, parts = max(found.items(), key=lambda row: max(row[1].values()))
    part = max(parts, key=lambda key: parts[key])
    known = solved(name)
    estimate = call(estimator, known.problem, known.x0, setting)
    given, true = known.parts(estimate.loss, estimate.gradient)[part], known.true[part]
    along = (given * true).sum(axis=1) / (true * true).sum(axis=1)
    factors = ", ".join(f"{factor:.4g}" for factor in along)
    return f"; on {name}, the {part} of the samples is, along the true one, {factors} times it"


def breakpoints(estimator: Estimator) -> Finding:
    """The gradient is as accurate across each declared jump as on smooth ground."""
    if estimator.declares.stochastic:
        return bias.unbiased("breakpoints", estimator, ("jump of the dynamics",))
    setting, found = _refined(estimator, JUMPS)
    smooth = _worst(_errors(estimator, ["smooth course"], setting))
    most = min(allowed(estimator, setting), ACROSS * smooth + SMALL)
    return judged(
        "breakpoints",
        _worst(found) <= most,
        f"loss, dL/dx0 and dL/dtheta within {most:.1e} across declared jumps at "
        f"{estimator.declares.knob} {setting:g}, where smooth ground leaves {smooth:.1e}",
        _told(found),
        "step exactly onto each end of problem.segments and start anew there; at a breakpoint, "
        "evaluate the right-hand side of the segment that the step is in",
    )


def lanes(estimator: Estimator) -> Finding:
    """Each sample has the same gradient and the same number of calls alone and in a batch.

    Where the size of the batch decides the method, copies of a sample stand in for it alone.
    """
    problem, x0 = moved(*rotorcraft().sample(np.random.default_rng(8), len(DIFFICULTY)))
    x0, setting = DIFFICULTY * x0, coarse(estimator, rotorcraft())
    batch = metered(problem, len(x0))
    together = call(estimator, batch, x0, setting)
    differences, counts = [], []
    copies = len(x0) if estimator.declares.batch_decides else 1
    for lane in range(len(x0)):
        own = np.full(copies, lane)
        single = metered(problem.take(own), copies)
        alone = call(estimator, single, x0[own], setting)
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
    """The relative difference of a sample's loss and gradients, alone and in the batch."""
    one = np.append(alone.gradient[0], alone.loss[0])
    other = np.append(together.gradient[lane], together.loss[lane])
    off = float(np.linalg.norm(one - other) / max(float(np.linalg.norm(one)), 1e-300))
    return off if np.isfinite(off) else np.inf
