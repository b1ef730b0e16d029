"""The verb `dimension` of the command line."""

from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.draw.dimension_figure import dimension_figure
from gradpareto.bench.draw.figure_files import write_png
from gradpareto.bench.run.dimension import measure_dimension
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import Between, Count, Positive
from gradpareto.bench.verbs.options import AS_JSON, PATH
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json

GRIDS = (8, 16, 32, 64, 128, 256, 512)
DEFAULT = Path("results/runs/dimension")


@click.command("dimension")
@click.option(
    "--points",
    "grids",
    type=Between(8, 512),
    multiple=True,
    default=GRIDS,
    show_default=True,
    help="Number of grid points, repeatable.",
)
@click.option(
    "--error",
    type=Positive(),
    default=1e-4,
    show_default=True,
    help="Relative error of the gradient that is asked for.",
)
@click.option(
    "--samples",
    type=Count(),
    default=1,
    show_default=True,
    help="Number of initial states on each grid.",
)
@click.option(
    "--out",
    type=PATH,
    default=DEFAULT,
    show_default=True,
    help="Folder for records.csv and dimension.png.",
)
@AS_JSON
def verb(grids: tuple[int, ...], error: float, samples: int, out: Path, as_json: bool) -> None:
    """Measure the cost of a given accuracy as the heat equation's grid is refined.

    The cost is in oracle evaluations and in seconds, of explicit and of implicit methods.

    Example: gradpareto dimension --points 8 --points 32
    """
    folder = RunFolder(out)
    shared = {"dimension": sorted(grids), "error": error, "samples": samples}
    with folder.opened(shared), threadpool_limits(1), np.errstate(all="ignore"):
        folder.add_session(session({}))
        with progress() as report:
            table = measure_dimension(sorted(grids), error, samples, report)
        folder.publish_table(table)
        write_png(dimension_figure(table, error), out / "dimension.png")
    if as_json:
        print_json(table.to_dict("records"))
    else:
        click.echo(table.to_string(index=False))
