"""The verb `gate` of the command line."""

import sys
from dataclasses import asdict, replace
from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.judge.recession import recessions
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.measuring import Measuring, measuring
from gradpareto.bench.verbs.numbers import Positive
from gradpareto.bench.verbs.options import ESTIMATOR, PATH
from gradpareto.bench.verbs.terminal import print_json

WITHIN = 0.02


@click.command("gate")
@click.option(
    "--against",
    type=PATH,
    required=True,
    help="Published run, whose frontiers have to be reached again.",
)
@click.option(
    "--estimator",
    "estimators",
    type=ESTIMATOR,
    multiple=True,
    help="Estimator, repeatable. Default: those of the published run.",
)
@click.option(
    "--within",
    type=Positive(),
    default=WITHIN,
    show_default=True,
    help="Share by which a point's error and evaluations may both grow.",
)
@measuring
def verb(asked: Measuring, against: Path, estimators: tuple[str, ...], within: float) -> None:
    """Say whether an estimator's frontier has receded since a run was published.

    The published settings are measured first, on the published run's initial states. The exit
    status is 0 if no frontier has receded, and 1 if one has: if a published point is reached no
    more unless its error and its evaluations may both grow by more than a share. A setting that
    moved along the frontier is no regression.

    Example: gradpareto gate --against results/default --system lqr --out results/runs/gate
    """
    if asked.samples or asked.seed is not None or asked.x0:
        raise ValueError("--samples, --seed and --x0 are those of the published run")
    if against.resolve() == asked.out.resolve():
        raise ValueError(f"{against} cannot be held against itself: name another folder with --out")
    held = RunFolder(against)
    held.require()
    published = _asked_for(held.read_cells(), asked, estimators)
    shared = held.provenance()["shared"]
    plan = asked.planned(list(dict.fromkeys(published.estimator)))
    plan = replace(plan, samples=shared["samples"], seed=shared["seed"], timed=False)
    for (problem, settings), names in _alike(published).items():
        asked.fill(replace(plan, problems=(problem,), estimators=tuple(names), settings=settings))
    found = recessions(published, asked.folder.read_cells())
    receded = [one for one in found if one.factor > 1 + within]
    if asked.as_json:
        print_json([asdict(one) for one in found])
    else:
        for one in receded:
            click.echo(one.sentence())
        click.echo(f"{len(receded)} of {len(found)} frontiers have receded by more than {within:g}")
    sys.exit(1 if receded else 0)


def _asked_for(
    records: pd.DataFrame, asked: Measuring, estimators: tuple[str, ...]
) -> pd.DataFrame:
    """Return the published records of the problems and the estimators that are asked for.

    Raises ValueError if there are none.
    """
    kept = records
    if asked.problems:
        kept = kept[pd.MultiIndex.from_frame(kept[["system", "theta"]]).isin(asked.problems)]
    for column, names in (
        ("system", asked.systems),
        ("theta", asked.thetas),
        ("estimator", estimators),
    ):
        kept = kept[kept[column].isin(names)] if names else kept
    if kept.empty:
        raise ValueError("the published run has no such estimator on such a problem")
    return kept


def _alike(
    records: pd.DataFrame,
) -> dict[tuple[tuple[str, str], tuple[float, ...]], list[str]]:
    """Return the estimators of each problem that were measured at the same settings."""
    found: dict[tuple[tuple[str, str], tuple[float, ...]], list[str]] = {}
    for (system, theta, name), own in records.groupby(["system", "theta", "estimator"], sort=False):
        settings = tuple(sorted(own.setting.unique().tolist(), reverse=True))
        found.setdefault(((str(system), str(theta)), settings), []).append(str(name))
    return found
