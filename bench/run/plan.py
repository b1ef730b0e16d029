"""The plan of a sweep: estimators on problems, their samples, and what a setting may cost."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.bench.nearest import SEE_LIST, nearest
from gradpareto.bench.store.record import Cell
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import USABLE
from gradpareto.systems import TASKS, Array, Problem
from gradpareto.systems.names import fault_of, shown

SAMPLES = 32

DEFAULT_ESTIMATORS = (
    "bptt",
    "bptt-rk4",
    "bptt-dop853",
    "bptt-adaptive-dop853",
    "gauss_legendre-4",
    "revolve-rk4",
    "ctpg",
    "ctpg-dop853",
    "multistep_adjoint",
    "neural_ode",
    "neural_ode-checkpointed",
    "finite_difference",
)

CALLS, FIELD_CALLS = 2**13, 2**12
"""The evaluations that a sample may take at one setting: of a plan, and of that of the field."""
LANES_A_SOLVE, LEAST_LANES, TIMED_LANES = 8, 2, 4
"""An estimator that solves lane by lane sees LANES_A_SOLVE times fewer samples, but LEAST_LANES at
least, and is timed on TIMED_LANES at most."""
MOST_ROWS = 2**16
"""The rows of a step over all samples, of an estimator whose cost grows with the parameters."""


def samples_of(estimator: Estimator, problem: Problem, samples: int) -> int:
    """Return how many of the samples an estimator sees: fewer if it is expensive by its nature."""
    declares = estimator.declares
    if declares.per_lane:
        samples = min(samples, max(LEAST_LANES, samples // LANES_A_SOLVE))
    if declares.cost_grows_with_parameters:
        rows = estimator.calls(problem, problem.horizon)
        samples = min(samples, int(MOST_ROWS / rows)) if rows > 0 else samples
    return max(1, samples)


def timed_lanes(estimator: Estimator, batch: int) -> int:
    """Return on how many lanes of a batch its time is measured, which is in proportion to them.

    That is all of them, but a few for who solves lane by lane.
    """
    return min(batch, TIMED_LANES) if estimator.declares.per_lane else batch


@dataclass(frozen=True)
class Course:
    """An estimator on a problem, and its settings: given ones, or none if a frontier is traced."""

    system: str
    theta: str
    estimator: str
    samples: int
    settings: tuple[float, ...] = ()

    @property
    def problem(self) -> tuple[str, str]:
        return self.system, self.theta

    @property
    def key(self) -> tuple[str, str, str]:
        return self.system, self.theta, self.estimator

    def cell(self, setting: float) -> Cell:
        """Return the cell of a setting."""
        return Cell(self.system, self.theta, self.estimator, setting, self.samples)


@dataclass(frozen=True)
class Plan:
    """A plan of what to measure: estimators on problems, which are pairs of a system and a preset.

    Every setting of every estimator sees the same initial states, so that samples are paired: the
    system draws `samples` of them from `seed`, unless `x0` (samples, state_dim) is given. An
    estimator that is expensive sees the first few, by `samples_of`, unless `all_samples` is set.
    Without `settings`, each estimator's are chosen while it is measured (bench/run/trace.py), none
    of which may take a sample more evaluations than `calls`. Wall time, `timed`, costs runs of the
    baseline beside each cell. Samples whose reference has a larger relative uncertainty than
    `bound` are left out.
    """

    problems: Sequence[tuple[str, str]]
    estimators: Sequence[str] = DEFAULT_ESTIMATORS
    samples: int | None = None
    all_samples: bool = False
    settings: Sequence[float] = ()
    seed: int | None = None
    x0: Array | None = None
    timed: bool = True
    calls: float = CALLS
    bound: float = USABLE

    def sampled(self, system: str, theta: str) -> tuple[Problem, Array]:
        """Return the problem and its x0 (samples, state_dim).

        Raises ValueError for an unusable x0.
        """
        problem, rng = TASKS[system].problem(theta), np.random.default_rng(self.seed or 0)
        if self.x0 is None:
            return problem.sample(rng, self.samples or SAMPLES)
        x0 = problem.check_x0(self.x0)
        return problem.with_context_of(rng, x0), x0

    def starts(self, x0: Array) -> Array:
        """Return the states (B, state_dim) at which estimates start: those of the samples."""
        return x0

    def courses(self, estimators: Mapping[str, Estimator] = ESTIMATORS) -> list[Course]:
        """Return each estimator on each problem, with what it is to be measured at."""
        found = []
        for system, theta in self.problems:
            problem, x0 = self.sampled(system, theta)
            for name in self.estimators:
                whole = self.all_samples or name not in estimators
                samples = len(x0) if whole else samples_of(estimators[name], problem, len(x0))
                found.append(Course(system, theta, name, samples, tuple(self.settings)))
        return found

    def shared(self) -> dict[str, Any]:
        """Return the properties that all cells of a run folder have in common."""
        drawn = "drawn by each system"
        bound = {} if self.bound == USABLE else {"uncertainty": self.bound}
        return bound | {
            "samples": len(self.x0) if self.x0 is not None else self.samples or SAMPLES,
            "seed": self.seed or 0,
            "x0": drawn if self.x0 is None else hashlib.sha256(self.x0.tobytes()).hexdigest(),
        }


def demand_x0_of(plan: Plan, shared: Mapping[str, Any], run: object) -> None:
    """Raise ValueError if a plan has other initial states than the run that shares these values."""
    if plan.shared()["x0"] != shared["x0"]:
        raise ValueError(
            f"{run} was measured on other initial states: give the file that held them as "
            "--x0, or no --x0 if they were drawn"
        )


def check_names(plan: Plan, estimators: Mapping[str, Estimator]) -> None:
    """Raise ValueError for a name that the plan has and no registry knows, or that is none."""
    for name in (*(system for system, _ in plan.problems), *plan.estimators):
        if fault := fault_of(name):
            raise ValueError(f"the name {shown(name)} {fault}")
    for system, theta in plan.problems:
        if system not in TASKS:
            hint = nearest(system, TASKS) or SEE_LIST
            raise ValueError(f"unknown system {system!r}{hint}")
        TASKS[system].check_names()
        if theta not in TASKS[system].presets:
            raise ValueError(_without(system, repr(theta)))
    for name in plan.estimators:
        if name not in estimators:
            hint = nearest(name, estimators) or SEE_LIST
            raise ValueError(f"unknown estimator {name!r}{hint}")


def problems_of(
    systems: Sequence[str], thetas: Sequence[str], named: Sequence[tuple[str, str]] = ()
) -> tuple[tuple[str, str], ...]:
    """Return the pairs (system, preset) of some systems, with all presets or those in `thetas`.

    The pairs that are `named` come behind them; alone, they are all. No systems stand for every
    one. Raises ValueError, with the presets that there are, if a named one is not among them.
    """
    for system, theta in named:
        if theta not in TASKS[system].presets:
            raise ValueError(_without(system, theta))
    if named and not systems and not thetas:
        return tuple(dict.fromkeys(named))
    crossed = [
        (system, theta)
        for system in systems or TASKS
        for theta in TASKS[system].presets
        if not thetas or theta in thetas
    ]
    return tuple(dict.fromkeys([*crossed, *named]))


def _without(system: str, thetas: str) -> str:
    return f"{system} has no preset {thetas}: known: {', '.join(TASKS[system].presets)}"


def chosen_problems(
    systems: Sequence[str], thetas: Sequence[str], named: Sequence[tuple[str, str]] = ()
) -> tuple[tuple[str, str], ...]:
    """Return the pairs of `problems_of`.

    Raises ValueError, with the presets that the systems have, if there are none.
    """
    found = problems_of(systems, thetas, named)
    if not found:
        raise ValueError("; ".join(_without(system, ", ".join(thetas)) for system in systems))
    return found


def chosen_or_last_problems(
    systems: Sequence[str], thetas: Sequence[str]
) -> Sequence[tuple[str, str]]:
    """Return the problems of some systems: those with a preset in `thetas`, or each one's last.

    Raises ValueError, with the presets that the systems have, if there are none.
    """
    if thetas:
        return chosen_problems(systems, thetas)
    return [(system, list(TASKS[system].presets)[-1]) for system in systems]
