"""The verb `matrix` of the command line."""

from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.draw.matrix_figure import publish_matrix
from gradpareto.bench.judge.evidence import LEAST_SAMPLES
from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.halves import halves, halves_sentence
from gradpareto.bench.judge.matrix import verdict_matrix, winners, winners_markdown
from gradpareto.bench.judge.verdict import NothingToCompare, nothing_to_compare
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.options import AS_JSON, RUN
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.whole_file import write_whole


@click.command("matrix")
@RUN
@click.option(
    "--halves",
    "in_halves",
    is_flag=True,
    help="Judge each pair on two disjoint halves of the samples instead, and write halves.csv.",
)
@AS_JSON
def verb(out: Path, in_halves: bool, as_json: bool) -> None:
    """Judge every estimator of a run against every other.

    They are judged on every problem of the run, and nothing is measured. The folder is given
    matrix.csv, winners.csv, winners.md, and the figures families and matrix. With --halves, it is
    given halves.csv, which tells how often the verdicts of two halves of the samples differ.

    Example: gradpareto matrix --out results/default
    """
    folder = RunFolder(out)
    folder.require()
    records = folder.read_cells()
    if len(records) and comparable(records).empty:
        raise NothingToCompare(nothing_to_compare(records))
    if in_halves:
        _halves(records, out, as_json)
        return
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


def _halves(records: pd.DataFrame, out: Path, as_json: bool) -> None:
    """Judge the pairs on halves of the samples, and tell how often these differ."""
    with progress() as report:
        found = halves(records, report=report)
    if not found.pairs.sum():
        least = 2 * LEAST_SAMPLES
        raise ValueError(f"{out} has no two estimators with {least} common samples or more")
    path = out / "halves.csv"
    write_whole(path, found.to_csv(index=False))
    if as_json:
        print_json({"files": [str(path)], "problems": found.to_dict("records")})
    else:
        click.echo(f"{halves_sentence(found)}\n{path}")
