"""The verb `traits` of the command line."""

from itertools import chain
from pathlib import Path

import click

from gradpareto.bench.conformance.traits_table import traits_markdown, traits_table
from gradpareto.bench.verbs.options import AS_JSON, ESTIMATORS_OF, PATH, PLUG_IN
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.estimators import ESTIMATORS
from gradpareto.whole_file import write_whole


@click.command("traits", epilog=PLUG_IN)
@click.option(
    "--estimator",
    "estimators",
    type=ESTIMATORS_OF,
    multiple=True,
    help="Estimator, repeatable. Default: all.",
)
@click.option(
    "--out", type=PATH, help="Folder for table.csv and table.md, which is made if it is new."
)
@AS_JSON
def verb(estimators: tuple[tuple[str, ...], ...], out: Path | None, as_json: bool) -> None:
    """Print what estimators declare of themselves, beside what is measured.

    These are the order, the memory, the calls of a step, whether the gradient is exact and whether
    stiff systems are no trouble, with the source of each estimator.

    Example: gradpareto traits --estimator ctpg --estimator bptt
    """
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    with progress() as report:
        table = traits_table([*chain(*estimators)] or ESTIMATORS, report)
    if out is not None:
        write_whole(out / "table.csv", table.to_csv(index=False))
        write_whole(out / "table.md", traits_markdown(table))
    if as_json:
        print_json(table.to_dict("records"))
    else:
        click.echo(traits_markdown(table))
