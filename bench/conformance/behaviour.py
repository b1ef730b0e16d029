"""Checks of conduct: shapes, inputs left alone, calls paid for, memory, precision, repeats."""

import pickle
from collections import defaultdict

import numpy as np

from gradpareto.bench.conformance.calls import call, coarse
from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.memory import memory_exponent
from gradpareto.bench.conformance.problems import (
    SMOOTH,
    Solved,
    regulator,
    rotorcraft,
    sampled,
    solved,
)
from gradpareto.bench.conformance.row_counting import counting_rows
from gradpareto.bench.conformance.traits import LARGEST_FLOOR
from gradpareto.bench.run.attempt import Outcome, attempt
from gradpareto.bench.run.meter import Meter, metered, with_meter
from gradpareto.bench.run.validation import EXPECTED
from gradpareto.estimators import Estimate, Estimator
from gradpareto.systems import Array, Problem


def answer(estimator: Estimator) -> Finding:
    """A call returns an estimate of the right shapes and types on each problem.

    This is the first check, and in a new process: its first call is the first of all, and the
    result has to be the one that the same call gives later.
    """
    (name, make), *others = SMOOTH.items()
    first = _attempted(estimator, make())
    seen = [_told(one, _attempted(estimator, build())) for one, build in others]
    seen += [_told(name, first), _changed(name, first, _attempted(estimator, make()))]
    return judged(
        "answer",
        not any(seen),
        "an Estimate: loss (B,), grad_x0 (B, d), grad_theta (B, P), steps (B,), all real numbers; "
        "the first call gives the same as later ones",
        "; ".join(filter(None, seen)) or f"a valid Estimate on each problem: {', '.join(SMOOTH)}",
        "make this call work first, and keep nothing from call to call; the other checks were not "
        "run",
    )


def _attempted(estimator: Estimator, problem: Problem) -> Outcome:
    problem, x0 = sampled(problem)
    with np.errstate(all="ignore"):
        return attempt(estimator, problem, x0, coarse(estimator, problem))


def _told(name: str, outcome: Outcome) -> str:
    """Say what is wrong with an outcome; "" if nothing is. `inputs` reports what it changed."""
    good = outcome.status in ("ok", "mutated")
    return "" if good else f"{name}: {outcome.status}, {outcome.reason}"


def _changed(name: str, first: Outcome, later: Outcome) -> str:
    """Say which parts of the first call's estimate a later call changes; "" if it changes none."""
    one, other = first.estimate, later.estimate
    if one is None or other is None:
        return ""
    parts = [part for part in EXPECTED if not _same(getattr(one, part), getattr(other, part))]
    return f"{name}: the first call of all gives another {', '.join(parts)}" if parts else ""


def inputs(estimator: Estimator) -> Finding:
    """A call leaves x0, theta and the system as they were."""
    problem, x0 = sampled(rotorcraft())
    problem = problem.with_theta(problem.theta.copy())
    held = {"x0": x0, "theta": problem.theta, "system": problem.system}
    before = {name: pickle.dumps(value) for name, value in held.items()}
    estimator(problem, x0, coarse(estimator, problem))
    changed = [name for name, value in held.items() if pickle.dumps(value) != before[name]]
    return judged(
        "inputs",
        not changed,
        "x0, theta and the system are the same after a call as before it",
        f"changed: {', '.join(changed)}" if changed else "unchanged",
        "copy what is written to: `x = x0.copy()`, or write `x = x + h * k`, not `x += h * k`",
    )


def oracles(estimator: Estimator) -> Finding:
    """Every evaluation of the dynamics and of the policy goes through the metered problem."""
    problem, x0 = sampled(rotorcraft())
    given, rows = counting_rows(problem)
    counted = metered(given, len(x0))
    call(estimator, counted, x0, coarse(estimator, problem))
    paid = int(counted.meter.evals.sum())
    return judged(
        "oracles",
        rows["dynamics"] <= paid and rows["policy"] <= paid,
        "the dynamics and the policy are evaluated no more often than the meter counts",
        f"the meter counted {paid} calls; the dynamics were evaluated {rows['dynamics']} times and "
        f"the policy {rows['policy']} times",
        "call flow, pullback and jacobian of the problem that is passed in; do not call "
        "problem.system, problem.policy, a Problem of your own or the class Problem",
    )


def memory(estimator: Estimator) -> Finding:
    """The bytes held for the backward pass grow with the steps as the estimator declares."""
    problem, x0 = sampled(regulator())
    if not (call(estimator, problem, x0, coarse(estimator, problem)).steps > 0).all():
        return Finding(
            "memory", "noted", "a number of steps, to compare memory with", "it reports no steps"
        )
    found, declared = memory_exponent(estimator), estimator.declares.memory
    return judged(
        "memory",
        not found > declared + 0.3,
        f"the bytes held for the backward pass grow no faster than steps^{declared:g}, as it "
        "declares",
        f"the bytes held grow as steps^{found:z.2f}",
        "declare the exponent that is measured as `memory`, or keep less between the passes",
    )


MOVE = 1e-7
"""The move of x0, relative to it, which is about the resolution of float32."""
NOISE = 3e-9
"""The noise that passes: sums in float32 have 6e-8 or more, and in float64 about 1e-14."""


class _Precisions(Meter):
    """A meter that only notes the dtypes of the states and cotangents given to each oracle."""

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self.given: defaultdict[str, set[str]] = defaultdict(set)

    def see(self, problem: Problem, oracle: str, lane: Array, t: Array, *arrays: Array) -> None:
        self.given[oracle] |= {str(array.dtype) for array in arrays}


def precision(estimator: Estimator) -> Finding:
    """Inputs in float32 give calls and results in float32, or results in float64 if declared so."""
    problem, x0 = sampled(rotorcraft())
    meter = _Precisions(len(x0))
    problem = with_meter(problem.with_theta(problem.theta.astype(np.float32)), meter)
    setting = (
        problem.horizon / 7
        if estimator.declares.knob == "step"
        else max(1e-3, estimator.declares.tight)
    )
    with np.errstate(all="ignore"):
        estimate = call(estimator, problem, x0.astype(np.float32), setting)
    found = {name: {str(getattr(estimate, name).dtype)} for name in EXPECTED if name != "steps"}
    follows = estimator.declares.follows_dtype
    wanted, parts = ("float32", "results and oracle calls") if follows else ("float64", "results")
    if follows:
        found |= {f"calls of {oracle}": given for oracle, given in meter.given.items()}
    return judged(
        "precision",
        all(dtypes == {wanted} for dtypes in found.values()),
        f"{wanted} {parts} from float32 inputs, since follows_dtype is {follows}",
        "from float32 inputs, "
        + ", ".join(f"{name} {' and '.join(sorted(dtypes))}" for name, dtypes in found.items()),
        "make arrays in np.result_type(x0, problem.theta), or declare follows_dtype = False and "
        "work in float64",
    )


def repeats(estimator: Estimator) -> Finding:
    """Check that a repeated call repeats its numbers, and leaves earlier results alone."""
    problem, x0 = sampled(rotorcraft())
    setting = coarse(estimator, problem)
    first = estimator(problem, x0.copy(), setting)
    kept = {name: np.array(getattr(first, name)) for name in EXPECTED}
    estimator(problem, x0[::-1] * 0.9, setting)
    overwritten = [name for name in EXPECTED if not _same(getattr(first, name), kept[name])]
    again = call(estimator, problem, x0, setting)
    differs = [name for name in EXPECTED if not _same(getattr(again, name), kept[name])]
    seen = [f"overwritten by the next call: {', '.join(overwritten)}"] * bool(overwritten)
    seen += [f"different the second time: {', '.join(differs)}"] * bool(differs)
    return judged(
        "repeats",
        not seen,
        "the same call gives the same numbers, and later calls leave its arrays alone",
        "; ".join(seen) or "the same to the last bit",
        "return new arrays (copy a buffer that is used again), keep nothing between calls, and "
        "seed random draws",
    )


def _same(one: Array, other: Array) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def float64(estimator: Estimator) -> Finding:
    """Inputs in float64 give results in float64, and with its precision.

    Sums in float32 show as noise: the gradient, as a function of x0, is then a staircase, and does
    not move in proportion to a very small move of x0.
    """
    known, setting = solved("pendulum"), estimator.declares.tight
    moves = range(1 if estimator.declares.stochastic else 3)
    moved = [call(estimator, known.problem, known.x0 * (1 + MOVE * k), setting) for k in moves]
    found = {str(getattr(moved[0], name).dtype) for name in EXPECTED if name != "steps"}
    noise, most = _noise(moved, known), _noise_allowed(estimator)
    return judged(
        "float64",
        found == {"float64"} and noise <= most,
        f"float64 results from float64 inputs, with relative noise within {most:.0e}",
        f"results are {', '.join(sorted(found))}, with relative noise of {noise:.0e}",
        "make arrays in np.result_type(x0, problem.theta), and sum in float64",
    )


def _noise_allowed(estimator: Estimator) -> float:
    """Return the noise that passes: a second difference adds the errors of four results."""
    declared = estimator.declares
    most = min(declared.floor, LARGEST_FLOOR)
    if declared.knob == "tolerance":
        # An iteration stops at the tolerance, and a poor interpolant's error jumps with the steps.
        most = max(most, 0.3 * declared.tight**declared.tolerance_exponent)
    return max(NOISE, 4 * most)


def _noise(moved: list[Estimate], known: Solved) -> float:
    """The second difference of the result in the move of x0: the largest of a sample's parts.

    There is none of an estimator that draws at random, since x0 decides what it draws.
    """
    if len(moved) < 3:
        return 0.0
    one, two, three = (known.parts(each.loss, each.gradient) for each in moved)
    bends = (
        np.linalg.norm(one[part] - 2 * two[part] + three[part], axis=1)
        / np.linalg.norm(true, axis=1)
        for part, true in known.true.items()
    )
    return float(np.max(list(bends)))
