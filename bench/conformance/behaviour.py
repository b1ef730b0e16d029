"""What an estimator does besides: what it stores, changes, calls without paying, and returns."""

import pickle
from dataclasses import replace

import numpy as np

from gradpareto.bench.conformance.accuracy import call, coarse, sampled
from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.conformance.problems import SMOOTH, regulator, rotorcraft, watched
from gradpareto.bench.conformance.traits import memory_exponent
from gradpareto.bench.run.measure import attempt
from gradpareto.bench.run.meter import metered
from gradpareto.bench.run.validation import EXPECTED
from gradpareto.estimators import Estimator
from gradpareto.systems import Array


def answer(estimator: Estimator) -> Finding:
    """An estimate of the right shapes and types, on each of the problems."""
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
        "; ".join(seen) or f"one on each of {', '.join(SMOOTH)}",
        "nothing else was looked at: make this call work first",
    )


def inputs(estimator: Estimator) -> Finding:
    """x0, theta, and the system with all it holds, before and after."""
    problem, x0 = sampled(rotorcraft())
    problem = problem.with_theta(problem.theta.copy())
    held = {"x0": x0, "theta": problem.theta, "system": problem.system}
    before = {name: pickle.dumps(value) for name, value in held.items()}
    estimator(problem, x0, coarse(estimator, problem))
    changed = [name for name, value in held.items() if pickle.dumps(value) != before[name]]
    return judged(
        "inputs",
        not changed,
        "x0, theta and the system as they were",
        f"changed: {', '.join(changed)}" if changed else "unchanged",
        "copy what is written to: `x = x0.copy()`, and `x = x + h * k` in place of `x += h * k`",
    )


def oracles(estimator: Estimator) -> Finding:
    """Rows of dynamics and of the policy, counted where they are computed, against the meter."""
    problem, x0 = sampled(rotorcraft())
    given, rows = watched(problem)
    counted = metered(given, len(x0))
    call(estimator, counted, x0, coarse(estimator, problem))
    paid = int(counted.meter.evals.sum())
    return judged(
        "oracles",
        rows["dynamics"] <= paid and rows["policy"] <= paid,
        "no dynamics or policy evaluated that is not paid for",
        f"{paid} calls paid for, {rows['dynamics']} rows of dynamics and {rows['policy']} of the "
        "policy evaluated",
        "call problem.flow, problem.pullback and problem.jacobian of the problem that was given, "
        "not those of problem.system, of problem.policy, of a Problem of one's own or of "
        "the class Problem",
    )


def memory(estimator: Estimator) -> Finding:
    """The exponent of the bytes held between the passes in the number of steps."""
    problem, x0 = sampled(regulator())
    if not (call(estimator, problem, x0, coarse(estimator, problem)).steps > 0).all():
        return Finding("memory", "noted", "steps, to hold memory against", "it tells none")
    found, declared = memory_exponent(estimator), estimator.declares.memory
    return judged(
        "memory",
        not found > declared + 0.3,
        f"bytes held for the backward pass that grow no faster than steps^{declared:g}, as it "
        "declares",
        f"steps^{found:.2f}",
        "either `memory` is not what it says, or something is kept that is not needed",
    )


def precision(estimator: Estimator) -> Finding:
    """float32 in: float32 out, or float64 where it says that it does not follow."""
    problem, x0 = sampled(rotorcraft())
    problem = problem.with_theta(problem.theta.astype(np.float32))
    setting = (
        problem.horizon / 7
        if estimator.declares.knob == "step"
        else max(1e-3, estimator.declares.tight)
    )
    with np.errstate(all="ignore"):
        estimate = call(estimator, problem, x0.astype(np.float32), setting)
    found = {name: getattr(estimate, name).dtype for name in EXPECTED if name != "steps"}
    wanted = np.dtype(np.float32 if estimator.declares.follows_dtype else np.float64)
    return judged(
        "precision",
        set(found.values()) == {wanted},
        f"{wanted} from float32, since follows_dtype is {estimator.declares.follows_dtype}",
        ", ".join(f"{name} {dtype}" for name, dtype in found.items()),
        "make arrays in np.result_type(x0, problem.theta), or declare follows_dtype = False and "
        "work in float64",
    )


def repeats(estimator: Estimator) -> Finding:
    """The same call again, with another in between, and what became of the first one's arrays."""
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
        "the same numbers from the same call, and arrays that later calls leave alone",
        "; ".join(seen) or "the same to the last bit",
        "return arrays of their own (copy a buffer that is used again), keep nothing between "
        "calls, and seed what is drawn",
    )


def _same(one: Array, other: Array) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def float64(estimator: Estimator) -> Finding:
    """float64 in, float64 out."""
    problem, x0 = sampled(replace(regulator(), horizon=0.5))
    estimate = call(estimator, problem, x0, coarse(estimator, problem))
    found = {str(getattr(estimate, name).dtype) for name in EXPECTED if name != "steps"}
    return judged(
        "float64",
        found == {"float64"},
        "float64 from float64",
        ", ".join(sorted(found)),
        "make arrays in np.result_type(x0, problem.theta)",
    )
