"""The verb `report` of the command line."""

from pathlib import Path

import click

from gradpareto.bench.site.report import write_site
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.options import AS_JSON, PATH
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json


@click.command("report")
@click.argument("run", metavar="DIR", type=PATH)
@click.option("--out", type=PATH, help="Folder of the report. Default: DIR/report.")
@click.option(
    "--estimator",
    "estimators",
    multiple=True,
    help="Estimator that has a page with each other one that is named, repeatable, at most twelve. "
    "Default: those of the default plan, and then those that win most.",
)
@AS_JSON
def verb(run: Path, out: Path | None, estimators: tuple[str, ...], as_json: bool) -> None:
    """Write a run as a folder of static pages, with a table of which estimator to use.

    The pages open in a browser from the file system, without a network, index.html first. Nothing
    is measured. An earlier report in the folder is replaced once the new one is whole, and a folder
    of anything else is refused.

    Example: gradpareto report results/default --out /tmp/report
    """
    place = run / "report" if out is None else out
    with progress() as report:
        files = write_site(RunFolder(run), place, estimators, report)
    if as_json:
        print_json({"folder": str(place), "files": files})
    else:
        click.echo(f"{files} files; open {place / 'index.html'}")
