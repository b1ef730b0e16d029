"""The verb `reproduce` of the command line."""

from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.draw.figure_files import write_png
from gradpareto.bench.paper.figures import FIGURES
from gradpareto.bench.paper.reproduction import Scale
from gradpareto.bench.verbs.numbers import Between, Count
from gradpareto.bench.verbs.options import AS_JSON, PATH
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.whole_file import write_whole

DEFAULT = Path("results/runs")


@click.command("reproduce")
@click.argument("number", metavar="FIGURE", type=Between(2, 7))
@click.option("--quick", is_flag=True, help="Take seconds, and show nothing but that it runs.")
@click.option(
    "--iterations",
    type=Count(),
    help="Number of iterations of the first estimator. Default: the paper's.",
)
@click.option(
    "--trials",
    type=Count(),
    help="Number of trials, or of samples for figure 2. Default: the paper's.",
)
@click.option(
    "--out",
    type=PATH,
    help=f"Folder for the figure and what it is made of. Default: {DEFAULT}/figureN.",
)
@AS_JSON
def verb(
    number: int,
    quick: bool,
    iterations: int | None,
    trials: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make a figure of the paper again.

    FIGURE is a number from 2 to 7. Where it was stopped, the same command goes on.

    Example: gradpareto reproduce 4 --quick
    """
    folder = out or DEFAULT / f"figure{number}{'-quick' * quick}"
    with threadpool_limits(1), np.errstate(all="ignore"), progress() as report:
        found = FIGURES[number](Scale(quick, iterations, trials), folder, report)
    path = folder / f"figure{number}.png"
    write_png(found.figure, path)
    write_whole(folder / "findings.txt", "".join(f"{line}\n" for line in found.sentences))
    if as_json:
        print_json({"figure": str(path), "findings": found.sentences})
    else:
        click.echo("\n".join([*found.sentences, f"{path}"]))
