"""The verb `times` of the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
import numpy as np
import pandas as pd

from gradpareto.bench.judge.table import TARGETS
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.gradient_time import Stopwatch
from gradpareto.bench.run.initial_states import load_x0
from gradpareto.bench.run.rerun import Asked, Rerun, read_timed
from gradpareto.bench.run.times_table import time_run
from gradpareto.bench.store.gradient_times import (
    NAME,
    GradientTime,
    read_times,
    rows_of,
    table_of,
    write_times,
)
from gradpareto.bench.store.lock import locked
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import Context, Count, Parameter, Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    ESTIMATORS_OF,
    PATH,
    PLUG_IN,
    PLUG_IN_SYSTEM,
    SYSTEMS,
    THETAS,
    X0_OF_RUN,
    gathered,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json

CELL_SECONDS = 60.0
RowKey = tuple[str, str, float, int, str]


class Target(Positive):
    """One of the errors of the decision table."""

    name = "error"

    def convert(self, value: object, param: Parameter, ctx: Context) -> float:
        number = super().convert(value, param, ctx)
        if number not in TARGETS:
            known = ", ".join(f"{target:.0e}" for target in TARGETS)
            raise click.ClickException(f"--error must be one of {known}, not {value!r}")
        return number


@dataclass(frozen=True)
class Timing:
    """The options of the verb."""

    systems: tuple[str, ...]
    thetas: tuple[str, ...]
    estimators: tuple[tuple[str, ...], ...]
    errors: tuple[float, ...]
    batches: tuple[int, ...]
    x0: Path | None
    cell_seconds: float

    @property
    def asked(self) -> Asked:
        """The part of the run that is timed."""
        x0 = None if self.x0 is None else load_x0(self.x0)
        names = tuple(chain(*self.estimators))
        return Asked(self.systems, self.thetas, names, self.errors, self.batches, x0)

    def time_into(self, run: Rerun, out: Path) -> pd.DataFrame:
        """Time what `out` lacks, keep all rows there, and return those that are asked for."""
        with locked(out), progress() as report, Processes(1) as pool:
            before = rows_of(read_times(out))
            held = {_key(row): row for row in before}

            def keep(rows: Sequence[GradientTime]) -> None:
                write_times(out, (held | {_key(row): row for row in rows}).values())

            watch = Stopwatch(pool, self.cell_seconds)
            problems = run.problems(self.batches, before, watch)
            time_run(problems, self.errors, self.batches, keep, report)
        return table_of(row for problem in problems for row in problem.finished())


def _key(row: GradientTime) -> RowKey:
    return row.system, row.theta, row.error, row.batch, row.estimator


@click.command("times", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.argument("location", metavar="RUN", type=PATH)
@gathered(
    Timing,
    SYSTEMS,
    THETAS,
    click.option(
        "--estimator",
        "estimators",
        type=ESTIMATORS_OF,
        multiple=True,
        help="Estimator to time, repeatable. Default: all of the run.",
    ),
    click.option(
        "--error",
        "errors",
        type=Target(),
        multiple=True,
        default=TARGETS,
        show_default=True,
        help="Relative error of the gradient, repeatable.",
    ),
    click.option(
        "--batch",
        "batches",
        type=Count(),
        multiple=True,
        default=(1, 32),
        show_default=True,
        help="Number of lanes in a batch, repeatable.",
    ),
    X0_OF_RUN,
    click.option(
        "--cell-seconds",
        type=Positive(),
        default=CELL_SECONDS,
        show_default=True,
        help="Seconds that the rounds of one estimator may take at one setting.",
    ),
)
@click.option("--out", type=PATH, help="Folder for times.csv. Default: RUN.")
@AS_JSON
def verb(asked: Timing, location: Path, out: Path | None, as_json: bool) -> None:
    """Time the gradients of a run's estimators, to say which is the fastest for an error.

    An estimator has the setting of the run that reaches the error with the fewest evaluations. Its
    oracle calls are counted and timed alone, which is a lower bound of its time. Who has the least
    bound is timed first, on one core, in rounds. Once a bound is 1.5 times the second-fastest time,
    nobody else is timed, and the table says so. times.csv keeps what was timed; delete it to time
    anew.

    Example: gradpareto times results/published --system lqr
    """
    folder, place = RunFolder(location), out or location
    folder.require()
    run = read_timed(folder, asked.asked)
    for line in run.left_out:
        click.echo(line, err=True)
    place.mkdir(parents=True, exist_ok=True)
    table = asked.time_into(run, place)
    if as_json:
        print_json({"file": str(place / NAME), "times": table.to_dict("records")})
        return
    click.echo(_fastest(table).to_string(index=False))
    click.echo(f"{len(table)} rows in {place / NAME}, {table.gradient_ms.notna().sum()} timed")


def _fastest(table: pd.DataFrame) -> pd.DataFrame:
    """Return the fastest estimator at each error, for each problem and batch."""
    timed = table[np.isfinite(table.gradient_ms)]
    keys = ["system", "theta", "batch", "error"]
    best = timed.loc[timed.groupby(keys).gradient_ms.idxmin()]
    shown = best.assign(
        problem=best.system + " (" + best.theta + ")",
        error=best.error.map("{:.0e}".format),
        fastest=best.estimator + " " + best.gradient_ms.map("{:.3g} ms".format),
    )
    wide: pd.DataFrame = shown.pivot(index=["problem", "batch"], columns="error", values="fastest")
    errors = sorted(wide.columns, key=float, reverse=True)
    return wide.reindex(columns=errors).fillna("-").reset_index()
