"""The verb `history` of the command line."""

from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.draw.figure_files import write
from gradpareto.bench.draw.history_figure import history_figure, moved
from gradpareto.bench.store.asv_results import Metric, history
from gradpareto.bench.verbs.options import AS_JSON, PATH
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.whole_file import write_whole

FOLDER = Path(".asv/results")
FOLLOWED = "track_evals"


@click.command("history")
@click.argument("folder", metavar="[FOLDER]", type=PATH, default=FOLDER)
@click.option("--out", type=PATH, help="Folder for the figure and the table. Default: FOLDER.")
@AS_JSON
def verb(folder: Path, out: Path | None, as_json: bool) -> None:
    """Draw each estimator's evaluations for an error at the commits that asv measured.

    The error is 1e-6, or what the name of the problem says. FOLDER has the results of `asv run`, by
    default .asv/results. It is given the figure history and history.csv. Printed are the estimators
    whose numbers moved, with the first commit and the last.

    Example: gradpareto history results/asv --out /tmp/history
    """
    evals = _evaluations(folder)
    out = folder if out is None else out
    out.mkdir(parents=True, exist_ok=True)
    figures = write(history_figure(evals), str(out / "history"))
    table = pd.DataFrame(
        [(*key, *numbers) for key, numbers in evals.values.items()],
        columns=["problem", "estimator", *evals.commits],
    )
    write_whole(out / "history.csv", table.to_csv(index=False))
    changed = table[[moved(numbers) for numbers in evals.values.values()]]
    if as_json:
        told = changed.to_dict("records")
        print_json({"files": [str(path) for path in figures], "moved": told})
        return
    click.echo(f"{len(evals.commits)} commits, {len(evals.values):,} numbers; {len(changed)} moved")
    if len(changed):
        ends = ["problem", "estimator", evals.commits[0], evals.commits[-1]]
        click.echo(changed[ends].to_string(index=False, float_format="{:.0f}".format))
    click.echo(f"\n{figures[0]}")


def _evaluations(folder: Path) -> Metric:
    """Read the benchmark of evaluations. Raises UsageError if there is no such in the folder."""
    found = [one for one in history(folder) if one.name.endswith(FOLLOWED)]
    if not found:
        raise click.UsageError(
            f"{folder} has no evaluations of any commit; `asv run HEAD^!` measures the latest"
        )
    return found[0]
