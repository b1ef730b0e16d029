"""The verb `reproduce` of the command line."""

from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.store.records import write_whole
from gradpareto.bench.verbs.options import Count
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json

DEFAULT = Path("results/runs")


@click.command("reproduce")
@click.argument("number", metavar="FIGURE", type=click.IntRange(2, 7))
@click.option(
    "--quick", is_flag=True, help="A form of seconds, that shows nothing but that it runs."
)
@click.option("--iterations", type=Count(), help="Of the first estimator; default: the paper's.")
@click.option("--trials", type=Count(), help="Or samples, for figure 2; default: the paper's.")
@click.option("--out", type=click.Path(path_type=Path), help=f"Default: {DEFAULT}/figureN.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def reproduce_verb(
    number: int,
    quick: bool,
    iterations: int | None,
    trials: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make a figure of the paper again, 2 to 7; stopped, the same command goes on.

    Example: gradpareto reproduce 4 --quick
    """
    from gradpareto.bench.paper.figures import FIGURES  # noqa: PLC0415 (a second to import)
    from gradpareto.bench.paper.reproduction import Scale  # noqa: PLC0415

    folder = out or DEFAULT / f"figure{number}{'-quick' * quick}"
    with threadpool_limits(1), np.errstate(all="ignore"), progress() as report:
        found = FIGURES[number](Scale(quick, iterations, trials), folder, report)
    path = folder / f"figure{number}.png"
    found.figure.savefig(path)
    write_whole(folder / "findings.txt", "".join(f"{line}\n" for line in found.sentences))
    if as_json:
        print_json({"figure": str(path), "findings": found.sentences})
    else:
        click.echo("\n".join([*found.sentences, f"{path}"]))
