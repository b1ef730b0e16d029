"""The verb `verify` of the command line."""

import secrets
import sys
import tempfile
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.judge.repeats import TOLERANCES
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.initial_states import load_x0
from gradpareto.bench.run.verification import (
    MOVED_BY,
    PlanOfCells,
    Verification,
    draw_cells,
    verify,
)
from gradpareto.bench.store.record import CELL_KEYS
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import SEED, Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    CACHE,
    ESTIMATORS_OF,
    PATH,
    PLUG_IN,
    PLUG_IN_SYSTEM,
    SYSTEM,
    X0_OF_RUN,
    gathered,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.side_by_side import JOBS
from gradpareto.bench.verbs.terminal import print_json

SHOWN = 20
"""The most differences that are printed; `--json` has all."""


class Fraction(Positive):
    """A number above 0 and up to 1."""

    name = "fraction"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = super().convert(value, param, ctx)
        if number > 1:
            raise click.ClickException(f"--fraction must be at most 1, not {value!r}")
        return number


@dataclass(frozen=True)
class Verifying:
    """The options of the verb."""

    fraction: float
    seed: int | None
    systems: tuple[str, ...]
    estimators: tuple[tuple[str, ...], ...]
    x0: Path | None
    out: Path | None
    cache: Path
    jobs: int
    cell_seconds: float

    def verified(self, folder: RunFolder) -> tuple[int, PlanOfCells, Verification]:
        """Draw cells of a run, and measure and compare them; return the seed of the draw too."""
        seed = secrets.randbelow(2**32) if self.seed is None else self.seed
        x0 = None if self.x0 is None else load_x0(self.x0)
        names = list(chain(*self.estimators))
        plan = draw_cells(folder, self.fraction, seed, self.systems, names, x0)
        click.echo(f"{folder.path}: {_drawn(plan)}, drawn by --seed {seed}", err=True)
        budget = Budget(self.cell_seconds, jobs=self.jobs)
        with tempfile.TemporaryDirectory() as temporary, progress() as report:
            again = RunFolder(self.out or Path(temporary) / "again")
            return seed, plan, verify(folder, plan, again, self.cache, budget, report)


@click.command("verify", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.argument("location", metavar="DIR", type=PATH)
@gathered(
    Verifying,
    click.option(
        "--fraction",
        type=Fraction(),
        default=0.05,
        show_default=True,
        help="Fraction of the run's cells that is measured again.",
    ),
    click.option(
        "--seed",
        type=SEED,
        help="Seed that draws the cells. Default: one that nobody can know before.",
    ),
    click.option(
        "--system",
        "systems",
        type=SYSTEM,
        multiple=True,
        is_eager=True,
        help="System whose cells are drawn, repeatable. Default: all.",
    ),
    click.option(
        "--estimator",
        "estimators",
        type=ESTIMATORS_OF,
        multiple=True,
        help="Estimator whose cells are drawn, repeatable. Default: all.",
    ),
    X0_OF_RUN,
    click.option(
        "--out",
        type=PATH,
        help="Folder that keeps what is measured, so that the same command with the same --seed "
        "goes on after an interrupt. Default: a temporary one.",
    ),
    CACHE,
    JOBS,
    click.option(
        "--cell-seconds",
        type=Positive(),
        default=Budget.cell_seconds,
        show_default=True,
        help="Seconds that one estimator may take at one setting.",
    ),
)
@AS_JSON
def verb(asked: Verifying, location: Path, as_json: bool) -> None:
    """Measure random cells of a run again, and compare them with its records.

    On the processor and with the versions that the run notes, every deterministic column has to be
    equal to the last bit (bytes within 5 %). Elsewhere, columns are compared within tolerances that
    are printed. A cell that does not reproduce so is measured again from initial states that are
    moved by roundings, and reproduces if its numbers are such as those roundings make, for all but
    an eighth of its samples. Wall times are not compared. The run in DIR is left as it is. The exit
    status is 0 if all reproduces, and 1 if not.

    Example: gradpareto verify results/default --fraction 0.02
    """
    folder = RunFolder(location)
    folder.require()
    seed, plan, found = asked.verified(folder)
    if as_json:
        print_json(
            {
                "seed": seed,
                "cells": found.cells,
                "reproduced": found.reproduced,
                "to_the_bit": found.to_the_bit,
                "by_roundings": found.by_roundings,
                "unlike": found.unlike,
                "left_out": plan.left_out,
                "differences": found.differences.to_dict("records"),
            }
        )
    else:
        click.echo("\n".join([*_told(found.differences), _summary(found)]))
    sys.exit(0 if found.reproduced == found.cells else 1)


def _drawn(plan: PlanOfCells) -> str:
    """Say how many cells are measured again, and which could not be drawn."""
    left_out = "".join(f"; {count} left out: {why}" for why, count in plan.left_out.items())
    return f"{len(plan.drawn)} of {plan.held} cells are measured again{left_out}"


def _told(differences: pd.DataFrame) -> list[str]:
    """Say which numbers do not reproduce: a line for each cell and column, of the first of them."""
    groups = list(differences.groupby([*CELL_KEYS, "column"], sort=False))
    lines = []
    for (system, theta, estimator, setting, column), rows in groups[:SHOWN]:
        first, others = rows.iloc[0], f" (and {len(rows) - 1} other samples)" * (len(rows) > 1)
        lines.append(
            f"{system} ({theta}) {estimator} at {setting:g}: {column} of sample {first['sample']}"
            f"{others} was {first['recorded']}, is {first['found']}"
        )
    return lines + [f"and {len(groups) - SHOWN} more, which --json has"] * (len(groups) > SHOWN)


def _summary(found: Verification) -> str:
    """Say how many cells reproduce, and how closely they were compared."""
    within = found.cells - found.to_the_bit
    ways = [f"{found.to_the_bit} cells were compared to the last bit"] * bool(found.to_the_bit)
    if within:
        why = "; ".join(found.unlike) or "the run does not note today's code for them"
        ways.append(
            f"{within} cells were compared within tolerances (counts {TOLERANCES['evals']:.0%}, "
            f"errors {TOLERANCES['rel_error']:.0%}, the loss {TOLERANCES['loss']:g}, bytes "
            f"{TOLERANCES['peak_bytes']:.0%}), because {why}"
        )
    if found.by_roundings:
        ways.append(
            f"{found.by_roundings} of them reproduce as far as roundings let them: their numbers "
            "are such as come from initial states that are moved by up to "
            f"{MOVED_BY} units in the last place"
        )
    return f"{found.reproduced} of {found.cells} cells reproduce; {'; '.join(ways)}"
