"""The verb `choose` of the command line."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import click
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.judge.frontier import comparable, median_points
from gradpareto.bench.plugins import quiet
from gradpareto.bench.run.choices import By, Choice, choices
from gradpareto.bench.run.field_race import PLACES, Goal, race
from gradpareto.bench.run.plan import CALLS, chosen_or_last_problems
from gradpareto.bench.run.racer import Racer
from gradpareto.bench.run.report import Report
from gradpareto.bench.run.samples import Samples, certified
from gradpareto.bench.run.wall_model import fit_wall_model
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import Count, Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    CACHE,
    DRAWING_SEED,
    LAST_THETAS,
    PATH,
    PLUG_IN_SYSTEM,
    SYSTEM,
    TILED_SAMPLES,
    gathered,
    tell_derivatives,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.side_by_side import JOBS
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.estimators import ESTIMATORS
from gradpareto.whole_file import write_whole

SHOWN = 5
STIFF_STEPS = 64
"""Where RK4 has no estimate with this many steps, the system is called stiff."""


@dataclass(frozen=True)
class Asked:
    """The options of `choose`."""

    systems: tuple[str, ...]
    thetas: tuple[str, ...]
    errors: tuple[float, ...]
    batch: int
    most_bytes: float | None
    by: By
    calls: int
    samples: int
    seed: int
    cache: Path
    jobs: int
    against: Path | None
    out: Path | None


@click.command("choose", epilog=PLUG_IN_SYSTEM)
@gathered(
    Asked,
    click.argument(
        "systems", metavar="SYSTEM...", type=SYSTEM, nargs=-1, required=True, is_eager=True
    ),
    LAST_THETAS,
    click.option(
        "--error",
        "errors",
        type=Positive(),
        multiple=True,
        default=(1e-6,),
        show_default=True,
        help="Relative error of the gradient, repeatable.",
    ),
    click.option(
        "--batch",
        type=Count(),
        default=32,
        show_default=True,
        help="Number of lanes in a batch.",
    ),
    click.option(
        "--bytes",
        "most_bytes",
        type=Positive(),
        help="Most bytes that a batch may store. Default: no limit.",
    ),
    click.option(
        "--by",
        type=click.Choice(get_args(By)),
        default="evals",
        show_default=True,
        help="What the choice is to need least of.",
    ),
    click.option(
        "--calls",
        type=Count(),
        default=CALLS,
        show_default=True,
        help="Evaluations that a sample of one setting may take.",
    ),
    TILED_SAMPLES,
    DRAWING_SEED,
    CACHE,
    JOBS,
    click.option(
        "--against",
        type=PATH,
        help="Run folder. The choices are compared with the best of its settings.",
    ),
    click.option("--out", type=PATH, help="Folder for choices.csv, which is made if it is new."),
)
@AS_JSON
def verb(asked: Asked, as_json: bool) -> None:
    """Choose an estimator for a system: race all of them to an error.

    Each goes from loose settings to tight ones. It is given up once it has taken three times the
    evaluations of one that has arrived, or when five others have arrived with fewer (twelve if
    time, memory or --bytes decides), or a single one as long as its own error is near 1. The table
    has the five best, with the setting to use, the milliseconds of a gradient of a whole batch on
    this machine, how much of them the wall model predicts for the calls alone, the bytes that the
    batch stores, the samples that it raced on and those on which it failed, and a sentence on what
    it is. Estimators that solve one lane at a time race on fewer samples.

    Example: gradpareto choose quadrotor --error 1e-6 --batch 32
    """
    problems = chosen_or_last_problems(asked.systems, asked.thetas)
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
    tables, unreached = [], []
    with quiet(), threadpool_limits(1), progress() as report:
        for problem in problems:
            tell_derivatives(problem[0])
            try:
                tables += _chosen(asked, *problem, report)
            except ValueError as fault:
                unreached.append(str(fault))
    if not tables:
        raise ValueError("; ".join(unreached))
    for line in unreached:
        click.echo(line, err=True)
    table = pd.concat(tables, ignore_index=True)
    if asked.out is not None:
        write_whole(asked.out / "choices.csv", table.to_csv(index=False, float_format="%.6g"))
    if as_json:
        print_json(table.to_dict("records"))
    else:
        _print(table)


def _chosen(asked: Asked, system: str, theta: str, report: Report) -> list[pd.DataFrame]:
    """Return a table of the best for each error.

    Raises ValueError if there is nothing to choose between, and NotSolved.
    """
    samples = _with_gradients(certified(system, theta, asked.samples, asked.seed, asked.cache))
    start = perf_counter()
    model = fit_wall_model(*samples.batch(1))
    measured = None if asked.against is None else _points(asked.against, system, theta)
    tables, racers = [], list[Racer]()
    places = SHOWN if asked.by == "evals" and asked.most_bytes is None else PLACES
    for error in sorted(asked.errors, reverse=True):
        goal = Goal(system, samples, error, asked.calls, model.call_seconds, places)
        racers = race(goal, asked.jobs, report, racers)
        there = choices(racers, goal, asked.batch, asked.by, model, asked.jobs)
        fitting = [one for one in there if one.stored_bytes <= (asked.most_bytes or np.inf)]
        if not fitting:
            raise ValueError(f"{system} ({theta}): {_missing(asked, error, racers, there)}")
        table = pd.DataFrame([asdict(one) for one in fitting[:SHOWN]])
        table["why"] = [_why(one.estimator, racers) for one in fitting[:SHOWN]]
        table.insert(0, "error", error)
        table.insert(0, "theta", theta)
        table.insert(0, "system", system)
        if measured is not None:
            best = np.nanmin([*measured.evals[measured.rel_error <= error], np.inf])
            table["over_the_best"] = table.evals / (best if np.isfinite(best) else np.nan)
        table["race_seconds"] = perf_counter() - start
        tables.append(table)
    return tables


def _with_gradients(samples: Samples) -> Samples:
    """Return the samples whose gradient is not zero. Raises ValueError if there is none."""
    kept = np.flatnonzero(np.linalg.norm(samples.gradient, axis=1) > 0)
    if not len(kept):
        raise ValueError("the true gradient of every sample is zero: there is nothing to choose")
    problem = samples.problem.take(kept)
    return replace(samples, problem=problem, x0=samples.x0[kept], gradient=samples.gradient[kept])


def _missing(asked: Asked, error: float, racers: list[Racer], there: list[Choice]) -> str:
    """Say why there is no choice: what is too large, or who came closest."""
    if there:
        least = min(there, key=lambda one: one.stored_bytes)
        return (
            f"those that reach {error:g} store more than {asked.most_bytes:,.0f} bytes: "
            f"{least.estimator} stores {least.stored_bytes:,.0f}"
        )
    limit = f"{asked.calls:,} evaluations a sample (allow more with --calls)"
    told = f"no estimator reaches {error:g} within {limit}"
    best = min(racers, key=lambda one: one.closest)
    if not np.isfinite(best.closest):
        return f"{told}, and none has an estimate at all"
    at = min(best.tried, key=lambda one: one.rel_error)
    return (
        f"{told}; {best.name} comes closest, with {at.rel_error:.1e} at {at.setting:g} "
        f"({at.evals:,.0f} evaluations)"
    )


def _why(name: str, racers: list[Racer]) -> str:
    """Say in a sentence what an estimator is, and what was seen of the problem."""
    declares = ESTIMATORS[name].declares
    order = "variable or no order" if declares.order is None else f"order {declares.order}"
    steps = {"step": "fixed steps", "tolerance": "steps by tolerance", "rollouts": "rollouts"}
    said = f"{family_of(name)}; {order}, {steps[declares.knob]}"
    stable = next((one for one in racers if one.name == "bptt-rk4"), None)
    unstable = [one for one in stable.tried if one.rel_error >= 1] if stable else []
    if len(unstable) > np.log2(STIFF_STEPS):
        seen = f"RK4 has no estimate above a step of {unstable[-1].setting:.2g}"
        said += f"; {seen}{', which does not bound this one' * declares.stiff}"
    return said


def _points(run: Path, system: str, theta: str) -> pd.DataFrame:
    """Return the medians over samples at every setting that a run has measured on a problem."""
    records = RunFolder(run).read_cells()
    own = comparable(records[(records.system == system) & (records.theta == theta)])
    groups = [median_points(of) for _, of in own.groupby("estimator")]
    return pd.concat(groups) if groups else pd.DataFrame(columns=["evals", "rel_error"])


def _print(table: pd.DataFrame) -> None:
    """Print the table of each problem and error, and how well the wall model predicts."""
    keys = ["system", "theta", "error"]
    for (system, theta, error), rows in table.groupby(keys, sort=False):
        raced = f"raced in {rows.race_seconds.iloc[0]:.0f} s"
        click.echo(f"{system} ({theta}), relative error {error:g}, {raced}: {_use(rows.iloc[0])}")
        shown = rows.drop(columns=[*keys, "why", "race_seconds"])
        formats: Any = {"evals": "{:,.0f}".format, "stored_bytes": "{:,.0f}".format}
        text = shown.to_string(index=False, formatters=formats, float_format="{:.3g}".format)
        click.echo(text)
        for row in rows.itertuples():
            click.echo(f"  {row.estimator}: {row.why}")
        click.echo("")
    off = (table.calls_ms / table.gradient_ms - 1).abs()
    click.echo(
        f"The wall model's times, of the calls alone, are {off.median():.0%} off those of the "
        f"gradients in the median, and {off.max():.0%} at worst."
    )


def _use(first: pd.Series) -> str:
    return f"use {first.estimator} at {first.setting:.4g}"
