"""The verb `pareto` of the command line."""

from itertools import chain

import click
import pandas as pd
from rich.table import Table

from gradpareto.bench.draw.figures import draw_run
from gradpareto.bench.draw.matrix_figure import publish_matrix
from gradpareto.bench.judge.describe import number
from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.matrix import verdict_matrix
from gradpareto.bench.judge.table import (
    TARGETS,
    evals_cell,
    markdown,
    markdown_fewest,
    sentences,
    summarise,
)
from gradpareto.bench.judge.verdict import NothingToCompare, nothing_to_compare
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.measuring import Measuring, measuring
from gradpareto.bench.verbs.options import ESTIMATORS_OF, PLUG_IN, PLUG_IN_SYSTEM
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json, wide_console
from gradpareto.whole_file import write_whole


@click.command("pareto", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.option(
    "--estimator",
    "estimators",
    type=ESTIMATORS_OF,
    multiple=True,
    help="Estimator, repeatable. Default: the plan's.",
)
@click.option(
    "--redraw",
    is_flag=True,
    help="Measure nothing: draw what the run folder has, whatever it lacks of the plan.",
)
@measuring
def verb(asked: Measuring, estimators: tuple[tuple[str, ...], ...], redraw: bool) -> None:
    """Sweep, then draw the figures and print the table of the run.

    The figures and the table are of everything in the run folder.

    Example: gradpareto pareto --out results/runs/default

    Example: gradpareto pareto --redraw --out results/runs/default
    """
    folder = asked.folder
    if redraw:
        folder.require()
        measured = folder.read_cells()
    else:
        measured = asked.measured(asked.planned(list(chain(*estimators))))
    records = comparable(measured)
    if empty := nothing_to_compare(measured):
        click.echo(f"gradpareto: {NothingToCompare(empty)} and no figure", err=True)
    if len(records):
        publish(records, folder, asked.as_json)
    elif asked.as_json:
        print_json({"table": [], "sentences": []})


def publish(records: pd.DataFrame, folder: RunFolder, as_json: bool) -> None:
    """Write the tables and the figures of these records into their run folder, and print them."""
    limits = {problem: folder.read_limit(*problem) for problem in _problems(records)}
    with progress() as report:
        matrix = verdict_matrix(records, report=report)
    table, said = summarise(records, limits), sentences(records, matrix)
    write_whole(folder.path / "table.csv", table.to_csv(index=False))
    write_whole(folder.path / "table.md", markdown(table))
    write_whole(folder.path / "fewest.md", markdown_fewest(table))
    figures = draw_run(records, limits, folder.path / "figures")
    if len(matrix):
        publish_matrix(matrix, folder.path)
    if as_json:
        print_json({"table": table.to_dict("records"), "sentences": said})
    else:
        print_summary(table, said)
        click.echo(f"{len(figures)} figures in {folder.path / 'figures'}")


def _problems(records: pd.DataFrame) -> list[tuple[str, str]]:
    return list(records[["system", "theta"]].drop_duplicates().itertuples(index=False, name=None))


def print_summary(table: pd.DataFrame, sentences: list[str]) -> None:
    """Print the table of `bench.judge.table.summarise`: each problem's block, and its sentence."""
    console = wide_console()
    problems = table.groupby(["system", "theta"], sort=True)
    for ((system, theta), rows), sentence in zip(problems, sentences, strict=True):
        shown = Table(
            title=f"{system} ({theta}): evaluations for a relative error of", expand=False
        )
        shown.add_column("estimator", no_wrap=True)
        heads = [f"{target:.0e}" for target in TARGETS]
        for head in (*heads, "floor", "x limit", "order", "bytes", "samples"):
            shown.add_column(head, justify="right", no_wrap=True)
        for _, row in rows.iterrows():
            shown.add_row(*_cells(row))
        console.print(shown)
        console.print(sentence, highlight=False, soft_wrap=True)
        console.print()
    console.print(
        "floor: the smallest median error measured. x limit: evaluations at 1e-4 over the fewest "
        "vjps that any quadrature needs. order: of the error in the evaluations. bytes: peak, a "
        "sample, at 1e-4. '-': not reached or not measured. '?': not known, since that error is "
        "below the reference's floor.",
        highlight=False,
        soft_wrap=True,
    )


def _cells(row: pd.Series) -> list[str]:
    needed = [evals_cell(row[f"evals_{target:.0e}"]) for target in TARGETS]
    return [
        row["estimator"],
        *needed,
        number(row["floor"], ".1e"),
        number(row["limit_ratio_1e-04"], ".1f"),
        number(row["order"], ".1f"),
        number(row["peak_bytes"], ",.0f"),
        str(row["samples"]),
    ]
