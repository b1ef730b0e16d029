"""The verb `snapshot` of the command line."""

import sys
from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.plugins import quiet
from gradpareto.bench.run.plan import problems_of
from gradpareto.bench.run.snapshot import (
    differences,
    read_snapshot,
    take_snapshot,
    write_snapshot,
)
from gradpareto.bench.verbs.options import AS_JSON, ESTIMATOR, PATH, SYSTEMS, THETAS
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.estimators import ESTIMATORS


@click.command("snapshot")
@click.argument("file", type=PATH)
@click.option(
    "--against", type=PATH, help="Snapshot to compare with; FILE is then made only if it is new."
)
@SYSTEMS
@THETAS
@click.option(
    "--estimator",
    "estimators",
    type=ESTIMATOR,
    multiple=True,
    help="Estimator, repeatable. Default: all.",
)
@AS_JSON
def verb(
    file: Path,
    against: Path | None,
    systems: tuple[str, ...],
    thetas: tuple[str, ...],
    estimators: tuple[str, ...],
    as_json: bool,
) -> None:
    """Keep the gradients of estimators in FILE, or compare them with kept ones.

    It is for changes that should only make something faster: take a snapshot before, and another
    after, and compare the two. Everything is computed on one core. The exit status of a comparison
    is 0 if every status, count and number of steps is the same and every gradient within 1e-13.

    Example: gradpareto snapshot before.npz --system lqr

    Example: gradpareto snapshot after.npz --system lqr --against before.npz
    """
    before = None if against is None else read_snapshot(against)
    if not file.exists():
        problems = problems_of(systems, thetas)
        with quiet(), threadpool_limits(1), np.errstate(all="ignore"), progress() as report:
            write_snapshot(file, take_snapshot(problems, estimators or tuple(ESTIMATORS), report))
    elif before is None:
        raise ValueError(f"{file} exists: name another file, or compare it with --against")
    if before is None:
        return
    table = differences(before, read_snapshot(file))
    if table.empty:
        raise ValueError(f"{file} and {against} have no cell in common")
    if as_json:
        print_json(table.to_dict("records"))
    else:
        click.echo(table.to_string(index=False, float_format="{:.1e}".format))
    sys.exit(int(bool(table.moved.any() or table.beyond.any())))
