"""The verb `sweep` of the command line."""

from itertools import chain

import click

from gradpareto.bench.verbs.measuring import Measuring, measuring
from gradpareto.bench.verbs.numbers import Positive
from gradpareto.bench.verbs.options import ESTIMATORS_OF, PLUG_IN, PLUG_IN_SYSTEM
from gradpareto.bench.verbs.terminal import print_json


@click.command("sweep", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.option(
    "--estimator",
    "estimators",
    type=ESTIMATORS_OF,
    multiple=True,
    help="Estimator, repeatable. Default: the plan's.",
)
@click.option(
    "--setting",
    "settings",
    type=Positive(),
    multiple=True,
    help="Step, tolerance or number of rollouts, repeatable. Default: the plan's.",
)
@measuring
def verb(
    asked: Measuring, estimators: tuple[tuple[str, ...], ...], settings: tuple[float, ...]
) -> None:
    """Measure estimators on systems, and keep the records in a run folder.

    Only what the folder lacks is measured. The records are in its records.csv, and where they come
    from in its provenance.json.

    Example: gradpareto sweep --system quadrotor --estimator ctpg --samples 4 --out /tmp/run
    """
    asked.fill(asked.planned(list(chain(*estimators)), settings))
    path, (rows, failed) = asked.folder.records_path, asked.folder.totals()
    if asked.as_json:
        print_json({"records": str(path), "rows": rows, "failed": failed})
    else:
        click.echo(f"{path}: {rows} records, {failed} of them failures")
