"""The options of every verb that measures, and the plan, the budget and the sweep they ask for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.certificates import left_out
from gradpareto.bench.run.initial_states import load_x0
from gradpareto.bench.run.plan import (
    CALLS,
    DEFAULT_ESTIMATORS,
    FIELD_CALLS,
    SAMPLES,
    Plan,
    chosen_problems,
)
from gradpareto.bench.run.sweep import fill
from gradpareto.bench.run.trace import UNTIL_AN_ESTIMATE
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import SEED, Count, Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    CACHE,
    DEFAULT_RUN,
    PATH,
    PRESET,
    SYSTEM,
    SYSTEMS,
    THETAS,
    UNCERTAINTY,
    Name,
    gathered,
    tell_derivatives,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.side_by_side import JOBS, SCHEDULER
from gradpareto.estimators import ESTIMATORS

FIELD_CELL_SECONDS = 10.0
PLAN = Name("plan", lambda: ("default", "field"))


@dataclass(frozen=True)
class Measuring:
    """The options of a verb that measures; None where the plan decides."""

    systems: tuple[str, ...]
    thetas: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]
    samples: int | None
    seed: int | None
    x0: Path | None
    out: Path
    cache: Path
    jobs: int
    scheduler: str | None
    plan: str
    calls: int | None
    cell_seconds: float | None
    cell_bytes: float
    bound: float
    as_json: bool

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.out)

    @property
    def budget(self) -> Budget:
        otherwise = FIELD_CELL_SECONDS if self.plan == "field" else Budget.cell_seconds
        return Budget(
            self.cell_seconds or otherwise, int(self.cell_bytes), self.jobs, self.scheduler
        )

    def planned(self, estimators: Sequence[str], settings: Sequence[float] = ()) -> Plan:
        """The plan of these estimators, or of all that the named plan has if none are given.

        A folder that holds a run lends its samples and its seed. Raises ValueError on options that
        contradict each other or an unreadable x0, and UnusableFolder.
        """
        problems = chosen_problems(self.systems, self.thetas, self.problems)
        if self.x0 is not None and len({system for system, _ in problems}) != 1:
            raise ValueError("--x0 holds the states of one system: name it with --system")
        x0 = None if self.x0 is None else load_x0(self.x0)
        whole_field = self.plan == "field"
        plan = Plan(
            problems,
            tuple(estimators or (ESTIMATORS if whole_field else DEFAULT_ESTIMATORS)),
            samples=self.samples,
            all_samples=self.samples is not None or x0 is not None,
            settings=tuple(settings),
            seed=self.seed,
            x0=x0,
            timed=not whole_field,
            calls=self.calls or (FIELD_CALLS if whole_field else CALLS),
            bound=self.bound,
        )
        return _as_in_folder(plan, self.folder)

    def measured(self, plan: Plan) -> pd.DataFrame:
        """The records of the run folder, after what it lacks of the plan is measured."""
        self.fill(plan)
        return self.folder.read_cells()

    def fill(self, plan: Plan) -> None:
        """Measure what the run folder lacks of the plan.

        Samples and problems that cannot judge are named on standard error.
        """
        for system in dict.fromkeys(system for system, _ in plan.problems):
            tell_derivatives(system)
        with progress() as report:
            fill(plan, self.folder, self.cache, self.budget, report)
        for problem in plan.problems:
            for line in left_out(problem, self.folder.read_certificate(*problem)):
                click.echo(line, err=True)


def _as_in_folder(plan: Plan, folder: RunFolder) -> Plan:
    """The plan, with what the options leave open as the folder's run has it."""
    if not folder.exists:
        return plan
    held = folder.provenance()["shared"]
    samples, seed = held.get("samples", SAMPLES), held.get("seed")
    if plan.samples is None and plan.x0 is None and samples != SAMPLES:
        plan = replace(plan, samples=samples)
    return replace(plan, seed=seed) if plan.seed is None else plan


measuring = gathered(
    Measuring,
    SYSTEMS,
    THETAS,
    click.option(
        "--problem",
        "problems",
        type=(SYSTEM, PRESET),
        multiple=True,
        metavar="SYSTEM PRESET",
        help="System and preset, repeatable, in addition to those of --system and --theta.",
    ),
    click.option(
        "--samples",
        type=Count(),
        help="Number of initial states for each system. Default: the run folder's or the plan's.",
    ),
    click.option(
        "--seed",
        type=SEED,
        help="Seed that draws the initial states. Default: the run folder's or 0.",
    ),
    click.option(
        "--x0",
        type=PATH,
        help="File of initial states, .npy or comma-separated text, instead of drawn ones.",
    ),
    click.option(
        "--out",
        type=PATH,
        default=DEFAULT_RUN,
        show_default=True,
        help="Run folder, which keeps what is measured.",
    ),
    CACHE,
    JOBS,
    SCHEDULER,
    click.option(
        "--plan",
        type=PLAN,
        default="default",
        show_default=True,
        help="Plan of estimators. 'field' has every estimator, without wall times.",
    ),
    click.option(
        "--calls",
        type=Count(),
        help=f"Evaluations that a sample may take at one setting, and {UNTIL_AN_ESTIMATE} times as "
        f"many until an error is below 1. Default: {CALLS:,}, in the plan 'field' {FIELD_CALLS:,}.",
    ),
    click.option(
        "--cell-seconds",
        type=Positive(),
        help="Seconds that one estimator may take at one setting. Default: 120, or 10 with "
        "--plan field.",
    ),
    click.option(
        "--cell-bytes",
        type=Positive(),
        default=float(2**32),
        show_default="4 GiB",
        help="Bytes of memory that one estimator may take at one setting.",
    ),
    UNCERTAINTY,
    AS_JSON,
)
"""A decorator that gives a verb these options, and their values as one `Measuring`."""
