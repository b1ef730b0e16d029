"""The verb `overhead` of the command line."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.plugins import quiet
from gradpareto.bench.run.overhead_table import Timed, overhead_table
from gradpareto.bench.run.plan import chosen_or_last_problems
from gradpareto.bench.verbs.numbers import Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    BATCHES,
    CACHE,
    DRAWING_SEED,
    ESTIMATOR,
    LAST_THETAS,
    PATH,
    PLUG_IN,
    PLUG_IN_SYSTEM,
    SYSTEM,
    TILED_SAMPLES,
    gathered,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.whole_file import write_whole

SETTING = 1e-3


@dataclass(frozen=True)
class Asked:
    """The options of the verb."""

    systems: tuple[str, ...]
    thetas: tuple[str, ...]
    estimators: tuple[str, ...]
    setting: float | None
    error: float | None
    batches: tuple[int, ...]
    samples: int
    seed: int
    cache: Path

    @property
    def timed(self) -> Timed:
        """The estimators to time. Raises UsageError on options that contradict each other."""
        if self.setting is not None and self.error is not None:
            raise click.UsageError("--setting and --error exclude each other: name one")
        problems = chosen_or_last_problems(self.systems, self.thetas)
        given = self.samples, self.seed, self.setting or SETTING, self.error, self.cache
        return Timed(problems, self.estimators, self.batches, *given)


asking = gathered(
    Asked,
    click.option(
        "--system",
        "systems",
        type=SYSTEM,
        multiple=True,
        default=("quadrotor",),
        show_default=True,
        is_eager=True,
        help="System to time on, repeatable.",
    ),
    LAST_THETAS,
    click.option(
        "--estimator",
        "estimators",
        type=ESTIMATOR,
        multiple=True,
        default=("ctpg",),
        show_default=True,
        help="Estimator to time, repeatable.",
    ),
    click.option(
        "--setting",
        type=Positive(),
        help=f"Step, tolerance or number of rollouts. Default: {SETTING}.",
    ),
    click.option(
        "--error",
        type=Positive(),
        help="Take the loosest setting that reaches this relative error, in place of a setting.",
    ),
    BATCHES,
    TILED_SAMPLES,
    DRAWING_SEED,
    CACHE,
)


@click.command("overhead", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@asking
@click.option("--out", type=PATH, help="Folder for overhead.csv, which is made if it is new.")
@AS_JSON
def verb(asked: Asked, out: Path | None, as_json: bool) -> None:
    """Measure the time that estimators take beyond their oracle calls.

    A gradient of a whole batch and its oracle calls alone are timed in turn, on one core. The table
    has the medians of both in milliseconds, with what the wall model predicts for the calls, and
    the overhead factor, the first over the second, with its quartiles. Behind it stand the parts in
    which one more gradient, under a profiler, spent most of its time: the oracle calls, the
    contraction, or modules of the estimators. Divide the milliseconds by the batch to see what a
    batch saves.

    Example: gradpareto overhead --estimator ctpg --estimator bptt-rk4 --error 1e-6
    """
    timed = asked.timed
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    with quiet(), threadpool_limits(1), np.errstate(all="ignore"), progress() as report:
        table = overhead_table(timed, report)
    if out is not None:
        write_whole(out / "overhead.csv", table.to_csv(index=False))
    missing = table[table.reason != ""].drop_duplicates(["system", "theta", "estimator"])
    lines = [
        f"{row.system} ({row.theta}), {row.estimator}: {row.reason}" for row in missing.itertuples()
    ]
    if (table.reason != "").all():
        raise ValueError("; ".join(lines))
    if as_json:
        print_json(table.to_dict("records"))
        return
    for line in lines:
        click.echo(line, err=True)
    shown = table[table.reason == ""].drop(columns="reason")
    click.echo(shown.to_string(index=False, float_format="{:.3g}".format))
