"""The verb `matrix` of the command line."""

from pathlib import Path

import click

from gradpareto.bench.draw.matrix_figure import publish_matrix
from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.matrix import verdict_matrix, winners, winners_markdown
from gradpareto.bench.judge.verdict import NothingToCompare, nothing_to_compare
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.options import AS_JSON, RUN
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json


@click.command("matrix")
@RUN
@AS_JSON
def verb(out: Path, as_json: bool) -> None:
    """Judge every estimator of a run against every other.

    They are judged on every problem of the run, and nothing is measured. The folder is given
    matrix.csv, winners.csv, winners.md, and the figures families and matrix.

    Example: gradpareto matrix --out results/default
    """
    folder = RunFolder(out)
    folder.require()
    records = folder.read_cells()
    if len(records) and comparable(records).empty:
        raise NothingToCompare(nothing_to_compare(records))
    with progress() as report:
        matrix = verdict_matrix(records, report=report)
    if matrix.empty:
        raise ValueError(f"{out} has no two estimators that were measured on a common sample")
    best = winners(matrix)
    paths = publish_matrix(matrix, out)
    if as_json:
        print_json({"files": [str(path) for path in paths], "winners": best.to_dict("records")})
    else:
        click.echo(winners_markdown(best), nl=False)
        click.echo(f"{len(matrix)} verdicts in {out / 'matrix.csv'}")
