"""`gradpareto matrix`: who dominates whom, from a run that was measured."""

from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.judge.matrix import verdict_matrix, winners, winners_markdown, write_matrix
from gradpareto.bench.store.records import RunFolder, UnusableFolder
from gradpareto.bench.verbs.options import DEFAULT_RUN
from gradpareto.bench.verbs.terminal import print_json


@click.command("matrix")
@click.option("--out", type=click.Path(path_type=Path), default=DEFAULT_RUN, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def matrix_verb(out: Path, as_json: bool) -> None:
    """Judge every estimator of a run against every other, on every problem; nothing is measured.

    Writes matrix.csv, winners.csv, winners.md and figures/matrix into the run's folder.

    Example: gradpareto matrix --out results/systems
    """
    folder = RunFolder(out)
    if not folder.exists:
        raise UnusableFolder(f"there is no run in {out}: measure one with gradpareto sweep")
    matrix = verdict_matrix(folder.read_cells())
    if matrix.empty:
        raise ValueError(f"{out} has no two estimators that were measured on a common sample")
    best = winners(matrix)
    paths = publish(matrix, out)
    if as_json:
        print_json({"files": [str(path) for path in paths], "winners": best.to_dict("records")})
    else:
        click.echo(winners_markdown(best), nl=False)
        click.echo(f"{len(matrix)} verdicts in {out / 'matrix.csv'}")


def publish(matrix: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the tables and the figure into a run's folder; their paths."""
    from gradpareto.bench.draw.figures import write  # noqa: PLC0415 (a second to import)
    from gradpareto.bench.draw.matrix_figure import matrix_figure  # noqa: PLC0415

    (folder / "figures").mkdir(exist_ok=True)
    figure = write(matrix_figure(matrix), str(folder / "figures" / "matrix"))
    return write_matrix(matrix, folder) + figure
