"""The checks of a system: its methods, and what its references are worth."""

from collections.abc import Iterator

import numpy as np

from gradpareto.bench.conformance.finding import Finding, judged
from gradpareto.bench.plugins.brought import derivatives_of
from gradpareto.bench.run.certificates import certificate_table, left_out
from gradpareto.reference import USABLE, Reference, certify
from gradpareto.reference.oracles import check_oracles, near, takes_complex
from gradpareto.systems import TASKS, Array, Problem, Task
from gradpareto.systems.faults import Unsound

SAMPLES, SEED = 4, 0
METHODS = (
    "methods whose rows stand by themselves, in float64, alike at each call, and pullbacks that "
    "are the derivatives of their methods"
)


def check_system(name: str, bound: float = USABLE) -> Iterator[Finding]:
    """Yield the findings on a registered system, each as soon as it is there.

    If the draws or the methods are unsound, nothing is solved.
    """
    task = TASKS[name]
    first = _draws(task)
    yield first
    if first.status != "passed":
        return
    for finding in _methods(task):
        yield finding
        if finding.status == "failed":
            return
    yield from _derivatives(task)
    yield _breakpoints(task)
    for preset in task.presets:
        problem, x0 = _sampled(task, preset)
        reference = certify(problem, x0)
        yield _certificate(name, preset, reference, bound)
        yield from _notes(preset, reference)


def _sampled(task: Task, preset: str) -> tuple[Problem, Array]:
    return task.problem(preset).sample(np.random.default_rng(SEED), SAMPLES)


def _draws(task: Task) -> Finding:
    """The initial states are finite numbers of the right shape, and a seed draws them again."""
    try:
        problem, x0 = _sampled(task, next(iter(task.presets)))
        again = _sampled(task, next(iter(task.presets)))[1]
        problem.check_x0(x0)
        seen = "the same ones from the same seed" if np.array_equal(x0, again) else "other ones"
    except ValueError as error:
        seen = str(error)
    return judged(
        "draws",
        seen.startswith("the same"),
        f"initial states (samples, {task.system.state_dim}), the same ones from the same seed",
        seen,
        "draw in sample_x0 from the generator that it is given, and from nothing else",
    )


def _methods(task: Task) -> Iterator[Finding]:
    problem, x0 = _sampled(task, next(iter(task.presets)))
    rows = near(problem, x0)
    try:
        check_oracles(problem, *rows)
    except Unsound as fault:
        yield Finding("methods", "failed", METHODS, str(fault), "mend the method that is named")
        return
    yield Finding("methods", "passed", METHODS, f"so they are, at {len(rows[0])} rows")
    stepped = takes_complex(problem, *rows)
    yield Finding(
        "complex step",
        "passed" if stepped else "noted",
        "derivatives by complex step, which need no pullback and are exact to rounding",
        "it goes through"
        if stepped
        else "a method takes no complex numbers, or drops their imaginary part: differences of the "
        "loss are taken instead, which see errors above 1e-6 only",
    )


def _derivatives(task: Task) -> Iterator[Finding]:
    """Yield a finding on each derivative that was made, which says by whom."""
    for method, made in derivatives_of(task).items():
        expected = "a derivative that agrees with another maker's"
        yield Finding(f"derivative of {method}", "noted", expected, f"by {made}")


def _breakpoints(task: Task) -> Finding:
    declared = [float(t) for t in task.system.breakpoints]
    inside = task.problem(next(iter(task.presets))).segments[1:-1]
    seen = f"{len(declared)} declared, {len(inside)} inside the horizon and apart from each other"
    return Finding("breakpoints", "noted", "times at which x' or w jumps, declared", seen)


def _certificate(name: str, preset: str, reference: Reference, bound: float) -> Finding:
    """The references of a preset are certain enough to judge estimators."""
    table = certificate_table(reference, bound)
    good = table[table.kind != "not certified"]
    seen = f"{len(good)} of {len(table)} samples"
    if len(good):
        seen += f", to {good.rel_uncertainty.max():.1e} relative at the worst"
    seen = "; ".join([seen, *left_out((name, preset), table)])
    return judged(
        f"certificate of {preset}",
        len(good) == len(table),
        f"references whose methods agree to {bound:g}, and to which nothing objects",
        seen,
        "see `gradpareto reference` for how far each pair of methods disagrees; samples without a "
        "certificate are left out of every verdict",
    )


def _notes(preset: str, reference: Reference) -> Iterator[Finding]:
    for text in dict.fromkeys(text for text in reference.untested if text):
        yield Finding(f"differences of {preset}", "noted", "losses whose differences settle", text)
    if np.isfinite(reference.resolution):
        seen = f"features shorter than {reference.resolution:.1e} in time are not seen"
        yield Finding(f"resolution of {preset}", "noted", "features long enough to be seen", seen)
