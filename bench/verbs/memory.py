"""The verb `memory` of the command line."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import click

from gradpareto.bench.judge.cheapest_settings import untraced_settings
from gradpareto.bench.judge.table import TARGETS
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.initial_states import load_x0
from gradpareto.bench.run.loosest_setting import MOST_EVALS
from gradpareto.bench.run.rerun import Asked, read_chosen
from gradpareto.bench.run.traced_cells import trace_cells
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import Count, Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    ESTIMATORS_OF,
    PATH,
    PLUG_IN_SYSTEM,
    SYSTEMS,
    THETAS,
    X0_OF_RUN,
    gathered,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.side_by_side import JOBS
from gradpareto.bench.verbs.terminal import print_json

CELL_SECONDS = 600.0


@dataclass(frozen=True)
class Tracing:
    """The options of the verb."""

    systems: tuple[str, ...]
    thetas: tuple[str, ...]
    estimators: tuple[tuple[str, ...], ...]
    calls: int
    x0: Path | None
    cell_seconds: float
    jobs: int

    @property
    def asked(self) -> Asked:
        """The part of the run that is traced."""
        x0 = None if self.x0 is None else load_x0(self.x0)
        return Asked(self.systems, self.thetas, tuple(chain(*self.estimators)), x0=x0)


@click.command("memory", epilog=PLUG_IN_SYSTEM)
@click.argument("location", metavar="RUN", type=PATH)
@gathered(
    Tracing,
    SYSTEMS,
    THETAS,
    click.option(
        "--estimator",
        "estimators",
        type=ESTIMATORS_OF,
        multiple=True,
        help="Estimator to trace, repeatable. Default: all of the run.",
    ),
    click.option(
        "--calls",
        type=Count(),
        default=MOST_EVALS,
        show_default=True,
        help="Evaluations of a sample beyond which a setting is not traced.",
    ),
    X0_OF_RUN,
    click.option(
        "--cell-seconds",
        type=Positive(),
        default=CELL_SECONDS,
        show_default=True,
        help="Seconds that one cell may take.",
    ),
    JOBS,
)
@AS_JSON
def verb(asked: Tracing, location: Path, as_json: bool) -> None:
    """Trace the memory of a run's gradients, where its sweep left that out.

    A sweep traces the memory of short gradients alone, since tracing slows the others. This verb
    runs those again that decide who stores least: for each error of the decision table, the setting
    with which an estimator reaches it, and the next one. The records get their bytes, if the counts
    of calls are still those of the run.

    Example: gradpareto memory results/runs/default --system lqr
    """
    folder = RunFolder(location)
    folder.require()
    choose = partial(untraced_settings, errors=TARGETS, most_evals=asked.calls)
    run = read_chosen(folder, asked.asked, choose)
    for line in run.left_out:
        click.echo(line, err=True)
    lacking: dict[tuple[str, str, str, float], str] = {}
    if len(run.settings):
        with folder.opened(run.plan.shared()), folder.cells() as store:
            folder.add_session(session({}))
            with progress() as report, Processes(asked.jobs) as pool:
                lacking = trace_cells(run, store, pool, asked.cell_seconds, report)
            folder.publish(store)
    traced = len(run.settings) - len(lacking)
    if as_json:
        keys = ("system", "theta", "estimator", "setting", "reason")
        told = [dict(zip(keys, (*key, why), strict=True)) for key, why in lacking.items()]
        print_json({"traced": traced, "lacking": told})
        return
    click.echo(f"The memory of {traced:,} cells was traced, that of {len(lacking):,} was not.")
    for reason, cells in Counter(lacking.values()).most_common():
        click.echo(f"  {cells:,}: {reason}")
