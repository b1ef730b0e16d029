"""Checks of conduct: shapes, inputs left alone, calls paid for, memory, precision, repeats."""

import pickle
from collections import defaultdict
from dataclasses import replace

import numpy as np

from gradpareto.bench.conformance.calls import call, coarse
from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.problems import SMOOTH, regulator, rotorcraft, sampled
from gradpareto.bench.conformance.row_counting import counting_rows
from gradpareto.bench.conformance.traits import memory_exponent
from gradpareto.bench.run.measure import attempt
from gradpareto.bench.run.meter import Meter, metered, with_meter
from gradpareto.bench.run.validation import EXPECTED
from gradpareto.estimators import Estimator
from gradpareto.systems import Array, Problem


def answer(estimator: Estimator) -> Finding:
    """A call returns an estimate of the right shapes and types on each problem."""
    seen = []
    for name, make in SMOOTH.items():
        problem, x0 = sampled(make())
        with np.errstate(all="ignore"):
            outcome = attempt(estimator, problem, x0, coarse(estimator, problem))
        if outcome.status not in ("ok", "mutated"):
            seen.append(f"{name}: {outcome.status}, {outcome.reason}")
    return judged(
        "answer",
        not seen,
        "an Estimate: loss (B,), grad_x0 (B, d), grad_theta (B, P), steps (B,), all real numbers",
        "; ".join(seen) or f"a valid Estimate on each problem: {', '.join(SMOOTH)}",
        "make this call work first; the other checks were not run",
    )


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
    """Inputs in float64 give results in float64."""
    problem, x0 = sampled(replace(regulator(), horizon=0.5))
    estimate = call(estimator, problem, x0, coarse(estimator, problem))
    found = {str(getattr(estimate, name).dtype) for name in EXPECTED if name != "steps"}
    return judged(
        "float64",
        found == {"float64"},
        "float64 results from float64 inputs",
        f"results are {', '.join(sorted(found))}",
        "make arrays in np.result_type(x0, problem.theta)",
    )
