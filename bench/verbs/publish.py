"""The verb `publish` of the command line."""

from pathlib import Path

import click

from gradpareto.bench.store.publication import publish
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.options import AS_JSON, PATH
from gradpareto.bench.verbs.terminal import print_json


@click.command("publish")
@click.argument("run", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--without",
    metavar="PATTERN",
    multiple=True,
    help="Names of files to leave out, repeatable, such as '*.svg'.",
)
@AS_JSON
def verb(run: Path, out: Path, without: tuple[str, ...], as_json: bool) -> None:
    """Copy a finished run, without what only measuring needs, to be published.

    OUT is a new folder with the records of RUN, their provenance, checksums, tables and figures.
    Tables of more than 8 MiB are compressed, and every verb reads records so. A run that was
    measured with files that no commit holds is published as well, and it is said.

    Example: gradpareto publish results/runs/default published --without "*.svg"
    """
    published = publish(RunFolder(run), out, without)
    sessions = published.provenance()["sessions"]
    if any(session.get("dirty") for session in sessions):
        told = f"{run} was measured with changes that no commit holds: nobody can check it out"
        click.echo(f"gradpareto: {told}", err=True)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if as_json:
        print_json({"records": str(published.records_path), "bytes": size})
        return
    click.echo(f"{published.records_path} and what belongs to it: {size / 2**20:.1f} MiB")
