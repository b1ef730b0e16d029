"""The verb `dimension`: what an accuracy costs as the heat equation's grid is refined."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench.run.measure import attempt
from gradpareto.bench.run.plan import settings_up_to
from gradpareto.bench.run.report import Report
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder, write_whole
from gradpareto.bench.verbs.options import Count, Positive
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import default_folder, load_or_certify
from gradpareto.systems import TASKS
from gradpareto.systems.heat import Heat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRIDS = (8, 16, 32, 64, 128, 256, 512)
RIVALS = ("bptt", "bptt-rk4", "bptt-dop853", "ctpg", "ctpg-dop853", "ctpg-scipy-radau")
MOST_CALLS = 2**18
DEFAULT = Path("results/runs/dimension")


@click.command("dimension")
@click.option("--points", "grids", type=click.IntRange(8, 512), multiple=True, default=GRIDS)
@click.option("--error", type=Positive(), default=1e-4, show_default=True, help="Relative.")
@click.option("--samples", type=Count(), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def dimension_verb(
    grids: tuple[int, ...], error: float, samples: int, out: Path, as_json: bool
) -> None:
    """Evaluations and time for an accuracy on the heat equation, against its dimension.

    Example: gradpareto dimension --points 8 --points 32
    """
    folder = RunFolder(out)
    folder.open({"dimension": sorted(grids), "error": error, "samples": samples})
    folder.add_session(session({}))
    with threadpool_limits(1), np.errstate(all="ignore"), progress() as report:
        table = measure_dimension(sorted(grids), error, samples, report)
    write_whole(folder.records_path, table.to_csv(index=False))
    dimension_figure(table, error).savefig(out / "dimension.png")
    if as_json:
        print_json(table.to_dict("records"))
    else:
        click.echo(table.to_string(index=False))


def measure_dimension(grids: list[int], error: float, samples: int, report: Report) -> pd.DataFrame:
    """A row a grid and estimator: the cheapest setting whose median relative error is `error`."""
    task, rows = TASKS["heat"], []
    for number, points in enumerate(grids):
        problem = replace(task, system=Heat(points)).problem("initial")
        problem, x0 = problem.sample(np.random.default_rng(0), samples)
        truth = load_or_certify(problem, x0, default_folder()).gradient
        size = np.linalg.norm(truth, axis=1)
        for k, name in enumerate(RIVALS):
            report(
                f"{points} points, {name}", number * len(RIVALS) + k + 1, len(grids) * len(RIVALS)
            )
            for setting in settings_up_to(name, problem, MOST_CALLS):
                outcome = attempt(ESTIMATORS[name], problem, x0, setting)
                if outcome.estimate is None:
                    continue
                away = np.linalg.norm(outcome.estimate.gradient - truth, axis=1)
                missed = np.median(away / size)
                if missed <= error:
                    evals = np.median(outcome.meter.evals)
                    spent = outcome.seconds / samples
                    rows.append((points, name, setting, missed, evals, spent))
                    break
    columns = ["points", "estimator", "setting", "rel_error", "evals", "wall_s"]
    return pd.DataFrame(rows, columns=columns)


def dimension_figure(table: pd.DataFrame, error: float) -> "Figure":
    """Evaluations and seconds against the number of points."""
    from matplotlib.ticker import NullLocator  # noqa: PLC0415 (a second to import)

    from gradpareto.bench.draw.figures import sheet  # noqa: PLC0415
    from gradpareto.bench.draw.styles import style_of  # noqa: PLC0415

    with sheet(10.5, 4.4) as figure:
        for index, (column, label) in enumerate(
            [("evals", "oracle evaluations (f + vjp)"), ("wall_s", "seconds a sample")]
        ):
            axes = figure.add_subplot(1, 2, index + 1)
            for name, own in table.groupby("estimator", sort=False):
                axes.plot(own.points, own[column], label=name, **style_of(str(name)).median())
            axes.set(xscale="log", yscale="log", xlabel="grid points", ylabel=label)
            axes.set_xticks(sorted(set(table.points)), sorted(set(table.points)), minor=False)
            axes.xaxis.set_minor_locator(NullLocator())
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=len(RIVALS),
            title=f"to a relative error of {error:g}",
        )
    return figure
