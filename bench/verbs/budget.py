"""The verb `budget` of the command line."""

from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import click

from gradpareto.bench.draw.figure_files import write_png
from gradpareto.bench.learning.budget import ESTIMATORS, TRIALS, Training, tasks, trainings
from gradpareto.bench.learning.budget_figures import budget_figure, totals_figure
from gradpareto.bench.learning.budget_tables import (
    Tables,
    accuracy_needed,
    cheapest_as_good,
    cheapest_page,
    joined,
    needed_page,
    settings_table,
    trained,
)
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.report import Report
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import Count
from gradpareto.bench.verbs.options import AS_JSON, PATH, Name, gathered
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.side_by_side import JOBS
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.whole_file import write_whole

DEFAULT = Path("results/runs/budget")
TRAININGS = "trainings"
"""The folder, inside of the run folder, in which each training has a folder of its own."""


@dataclass(frozen=True)
class Asked:
    """The options of `budget`; None where the study decides."""

    systems: tuple[str, ...]
    estimators: tuple[str, ...]
    trials: int
    iterations: int | None
    quick: bool
    jobs: int
    out: Path | None
    as_json: bool


@click.command("budget")
@gathered(
    Asked,
    click.option(
        "--system",
        "systems",
        type=Name("system of the study", tasks),
        multiple=True,
        help="Task of the study, repeatable. Default: all.",
    ),
    click.option(
        "--estimator",
        "estimators",
        type=Name("estimator of the study", lambda: ESTIMATORS),
        multiple=True,
        help="Estimator of the study, repeatable. Default: all.",
    ),
    click.option(
        "--trials",
        type=Count(),
        default=TRIALS,
        show_default=True,
        help="Number of trials of each, which are lanes of one batch.",
    ),
    click.option("--iterations", type=Count(), help="Number of iterations. Default: the task's."),
    click.option("--quick", is_flag=True, help="Show nothing but that it runs, in a minute."),
    JOBS,
    click.option(
        "--out",
        type=PATH,
        help=f"Folder for the tables and the figures. Default: {DEFAULT}.",
    ),
    AS_JSON,
)
def verb(asked: Asked) -> None:
    """Learn at many prices of a gradient, and tell how accurate a gradient has to be.

    Every training of a task has the same number of iterations, the same initial parameters and the
    same initial states. What differs is the estimator and its setting, so what a gradient costs and
    how far it is off. Where it was stopped, the same command goes on.

    Example: gradpareto budget --system electric --estimator bptt --estimator ctpg
    """
    out = asked.out or Path(f"{DEFAULT}{'-quick' * asked.quick}")
    chosen = trainings(asked.systems, asked.estimators, asked.trials, asked.iterations, asked.quick)
    folder = RunFolder(out)
    shared = {"budget": [training.name for training in chosen], "trials": chosen[0].trials}
    with folder.opened(shared):
        folder.add_session(session({}))
        with progress() as report:
            tables = _all_trained(chosen, out / TRAININGS, asked.jobs, report)
        table = settings_table(tables)
        write_whole(out / "curves.csv", tables.curves.to_csv(index=False))
        write_whole(out / "gradients.csv", tables.gradients.to_csv(index=False))
        write_whole(out / "settings.csv", table.to_csv(index=False))
        needed, cheapest = accuracy_needed(table), cheapest_as_good(table)
        write_whole(out / "needed.md", needed_page(needed))
        write_whole(out / "cheapest.md", cheapest_page(cheapest))
        write_png(budget_figure(table), out / "budget.png")
        write_png(totals_figure(tables.curves), out / "totals.png")
        folder.publish_table(tables.records)
    if asked.as_json:
        print_json({"needed": needed.to_dict("records"), "cheapest": cheapest.to_dict("records")})
        return
    click.echo("The error of a gradient below which the final loss no longer improves:\n")
    click.echo(needed_page(needed))
    click.echo("The cheapest setting of each estimator that ends as good as the best:\n")
    click.echo(cheapest_page(cheapest))
    click.echo(f"records.csv, settings.csv, budget.png and totals.png in {out}")


def _all_trained(chosen: list[Training], folder: Path, jobs: int, report: Report) -> Tables:
    """Make the trainings side by side, and return the tables of all."""
    with Processes(jobs) as pool:
        futures = {pool.submit(trained, one, folder): one.name for one in chosen}
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            report(futures[future], done, len(chosen))
    return joined([future.result() for future in futures])
