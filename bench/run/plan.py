"""The plan of a sweep: estimators, their settings, and the samples of each problem."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradpareto.bench.run import field_plan
from gradpareto.bench.store.record import Cell
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import USABLE
from gradpareto.systems import TASKS, Array, Problem

SAMPLES = 16

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

TOLERANCES = tuple(10.0**-k for k in range(1, 10))

MOST_CALLS = {"lqr": 2**14, "mujoco_cartpole": 2**11, "stiff": 2**17}
"""The oracle calls of a fixed-step estimator's most expensive setting, where it is not 2^13."""
ROLLOUT_CALLS = 2**13
"""The oracle calls of the most expensive setting in rollouts, which are replicated."""

PARAMETER_FACTOR = 64
"""The factor of calls allowed to an estimator whose cost grows with the parameters.

All samples of a cell together may take twice as many.
"""


def _steps(horizon: float, counts: Sequence[int]) -> tuple[float, ...]:
    return tuple(horizon / count for count in counts)


EXCEPTIONS: dict[tuple[str, str], tuple[tuple[float, ...], int]] = {
    # 2 (d + P) solves a sample: 13,088 on the quadrotor, and 11,296 where its controls are fast.
    ("quadrotor", "finite_difference"): (_steps(5.0, (4, 8)), 1),
    ("quadrotor_smooth", "finite_difference"): (_steps(5.0, (64, 128)), 1),
    ("differential_drive", "finite_difference"): (_steps(5.0, (1, 2, 4, 8)), 2),
    ("lqr", "finite_difference"): (_steps(10.0, (8, 16, 32, 64, 128, 256)), 4),
    **{
        (system, "finite_difference"): (_steps(15.36, (1, 2, 4, 8)), 2)
        for system in ("electric", "taichi_electric")
    },
    # Lane by lane, with all P components of the gradient in SciPy's state.
    ("quadrotor", "ctpg-scipy"): (TOLERANCES[::2], 2),
    ("quadrotor_smooth", "ctpg-scipy"): (TOLERANCES[::2], 2),
    ("differential_drive", "ctpg-scipy"): (TOLERANCES[::2], 4),
    ("lqr", "ctpg-scipy"): (TOLERANCES[::2], 4),
    # 2 (4 + 4545) solves a sample; ELU's kinks make a tolerance expensive, a simulator more so.
    **{
        (system, estimator): held
        for system, decades in (("cartpole", 8), ("mujoco_cartpole", 6))
        for estimator, held in {
            "finite_difference": (_steps(3.0, (4, 8, 16)), 1),
            "ctpg-scipy": (TOLERANCES[:decades:2], 2),
            "ctpg": (TOLERANCES[:decades], SAMPLES),
            "ctpg-dop853": (TOLERANCES[:decades], SAMPLES),
            "neural_ode": (TOLERANCES[:decades], SAMPLES),
            "neural_ode-checkpointed": (TOLERANCES[:decades], SAMPLES),
        }.items()
    },
    # Ten thousand evaluations a solve, whatever the tolerance; backward, the fast mode explodes.
    **{
        ("stiff", estimator): (settings, 2)
        for estimator, settings in {
            "finite_difference": _steps(1.0, (2**12,)),
            "ctpg": TOLERANCES[::2],
            "ctpg-dop853": TOLERANCES[::2],
            "ctpg-scipy": TOLERANCES[::4],
            "neural_ode": TOLERANCES[::4],
            "neural_ode-checkpointed": TOLERANCES[::4],
        }.items()
    },
    ("electric", "ctpg-scipy"): (TOLERANCES[::2], 4),
    # Below 1e-5, adaptive steps fall to nothing over what float32 rounds.
    **{
        ("taichi_electric", estimator): (TOLERANCES[:5], 4)
        for estimator in (
            "ctpg",
            "ctpg-seminorm",
            "ctpg-dop853",
            "ctpg-scipy",
            "neural_ode",
            "neural_ode-checkpointed",
        )
    },
    # At 1e-9 or with nothing more to show.
    ("lqr", "ctpg-rk4"): (_steps(10.0, [2**k for k in range(11)]), SAMPLES),
    ("lqr", "bptt-heun"): (_steps(10.0, [2**k for k in range(12)]), SAMPLES),
    ("lqr", "bptt-dop853"): (_steps(10.0, [2**k for k in range(9)]), SAMPLES),
    # Orders 4 and 8 are below 1e-9 with half the calls.
    **{
        (system, estimator): (_steps(5.0, [2**k for k in range(rungs)]), SAMPLES)
        for system in ("differential_drive", "quadrotor")
        for estimator, rungs in (("bptt-rk4", 10), ("ctpg-rk4", 10), ("bptt-dop853", 8))
    },
    # Far below 1e-9 already, and seconds a setting.
    **{
        (system, estimator): (TOLERANCES[:8], SAMPLES)
        for system in ("quadrotor", "quadrotor_smooth")
        for estimator in ("ctpg", "ctpg-dop853", "neural_ode", "neural_ode-checkpointed")
    },
}
"""The settings and samples by (system, estimator), where the default plan departs from the rule.

These are measured on fewer samples or settings, so that the whole plan takes minutes.
"""


def default_settings(system: str, estimator: str) -> tuple[float, ...]:
    """Return tolerances by decades, or steps T/N, N a power of two, as far as MOST_CALLS allows."""
    return settings_up_to(estimator, _any_problem(system), MOST_CALLS.get(system, 2**13))


def settings_up_to(estimator: str, problem: Problem, calls: int) -> tuple[float, ...]:
    """Return the default settings on any problem, each of at most `calls` oracle calls.

    An estimator whose cost grows with the parameters may take PARAMETER_FACTOR times as many, with
    no more than `calls` in each solve. Rollouts are powers of two as far as ROLLOUT_CALLS allows.
    """
    method = ESTIMATORS[estimator]
    if method.declares.knob == "tolerance":
        return TOLERANCES
    if method.declares.knob == "rollouts":
        most = int(ROLLOUT_CALLS / method.calls(problem, 1))
        return tuple(2.0**k for k in range(1, most.bit_length()))
    affordable = calls
    if method.declares.cost_grows_with_parameters:
        affordable *= PARAMETER_FACTOR
    a_step = method.calls(problem, problem.horizon)
    most = min(calls // method.declares.calls_per_step, int(affordable / a_step))
    return _steps(problem.horizon, [2**k for k in range(most.bit_length())])


def affordable_samples(system: str, estimator: str, settings: Sequence[float]) -> int:
    """Return the samples that an estimator whose cost grows with the parameters may see in a cell.

    Other estimators are not limited.
    """
    method = ESTIMATORS.get(estimator)
    if (
        method is None
        or method.declares.knob != "step"
        or not method.declares.cost_grows_with_parameters
    ):
        return sys.maxsize
    most = method.calls(_any_problem(system), min(settings))
    return max(1, int(2 * PARAMETER_FACTOR * MOST_CALLS.get(system, 2**13) / most))


def _any_problem(system: str) -> Problem:
    """Return the problem at the first preset of a system, since all have one size and horizon."""
    return TASKS[system].problem(next(iter(TASKS[system].presets)))


@dataclass(frozen=True)
class Plan:
    """A plan of what to measure: estimators on problems, which are pairs of a system and a preset.

    Every setting of every estimator sees the same initial states, so that samples are paired: the
    system draws `samples` of them from `seed`, unless `x0` (samples, state_dim) is given. By
    default the settings are the suite's. An estimator that EXCEPTIONS or its price hold to fewer
    samples sees the first few, unless `all_samples` is set. Wall time, `timed`, costs runs of the
    baseline beside each cell. The plan of the `whole_field` has settings of its own, and gives an
    estimator up on a problem where a setting took too long. Samples whose reference has a larger
    relative uncertainty than `bound` are left out.
    """

    problems: Sequence[tuple[str, str]]
    estimators: Sequence[str] = DEFAULT_ESTIMATORS
    samples: int | None = None
    all_samples: bool = False
    settings: Sequence[float] = ()
    seed: int | None = None
    x0: Array | None = None
    timed: bool = True
    whole_field: bool = False
    bound: float = USABLE

    def sampled(self, system: str, theta: str) -> tuple[Problem, Array]:
        """Return the problem and its x0 (samples, state_dim).

        Raises ValueError for an unusable x0.
        """
        problem, rng = TASKS[system].problem(theta), np.random.default_rng(self.seed or 0)
        if self.x0 is None:
            return problem.sample(rng, self.samples or self.most_samples)
        x0 = problem.check_x0(self.x0)
        return problem.with_context_of(rng, x0), x0

    def cells(self) -> list[Cell]:
        """Return the cells to measure."""
        cells = []
        for system, theta in self.problems:
            available = len(self.sampled(system, theta)[1])
            for estimator in self.estimators:
                settings, samples = self._rule(system, theta, estimator)
                if self.all_samples:
                    samples = available
                cells += [
                    Cell(system, theta, estimator, setting, min(samples, available))
                    for setting in settings
                ]
        return cells

    @property
    def most_samples(self) -> int:
        """The most samples of a cell, unless the plan says otherwise."""
        return field_plan.SAMPLES if self.whole_field else SAMPLES

    def _rule(self, system: str, theta: str, estimator: str) -> tuple[Sequence[float], int]:
        """Return the settings and samples of an estimator on a problem in this plan."""
        if self.whole_field and not self.settings:
            return field_plan.field_settings(system, estimator, TASKS[system].problem(theta))
        excepted, samples = EXCEPTIONS.get((system, estimator), ((), 0))
        settings = self.settings or excepted or default_settings(system, estimator)
        samples = samples or affordable_samples(system, estimator, settings)
        return settings, min(samples, self.most_samples) if self.whole_field else samples

    def shared(self) -> dict[str, Any]:
        """Return the properties that all cells of a run folder have in common."""
        drawn = "drawn by each system"
        bound = {} if self.bound == USABLE else {"uncertainty": self.bound}
        return bound | {
            "samples": len(self.x0) if self.x0 is not None else self.samples or self.most_samples,
            "seed": self.seed or 0,
            "x0": drawn if self.x0 is None else hashlib.sha256(self.x0.tobytes()).hexdigest(),
        }


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
