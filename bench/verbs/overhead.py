"""The verb `overhead` of the command line."""

from dataclasses import asdict

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.plugins import quiet
from gradpareto.bench.run.attempt import attempt
from gradpareto.bench.run.overhead import measure_overhead
from gradpareto.bench.verbs.options import (
    AS_JSON,
    ESTIMATOR,
    PLUG_IN,
    PLUG_IN_SYSTEM,
    PRESET,
    SEED,
    SYSTEM,
    Count,
    Positive,
)
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS


@click.command("overhead", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.option(
    "--system",
    type=SYSTEM,
    default="quadrotor",
    show_default=True,
    is_eager=True,
    help="System to time it on.",
)
@click.option(
    "--theta",
    "--preset",
    "theta",
    type=PRESET,
    help="Preset of the parameters. Default: the system's last one.",
)
@click.option(
    "--estimator", type=ESTIMATOR, default="ctpg", show_default=True, help="Estimator to time."
)
@click.option(
    "--setting",
    type=Positive(),
    default=1e-3,
    show_default=True,
    help="Step, tolerance or number of rollouts.",
)
@click.option(
    "--samples",
    type=Count(),
    default=32,
    show_default=True,
    help="Number of initial states in the batch.",
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Seed that draws the initial states.",
)
@AS_JSON
def verb(
    system: str,
    theta: str | None,
    estimator: str,
    setting: float,
    samples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure the time that an estimator takes beyond its oracle calls.

    Everything is timed on one core. The samples are also timed one by one, which shows what a batch
    saves.

    Example: gradpareto overhead --estimator bptt-rk4 --setting 0.05
    """
    problem = TASKS[system].problem(_preset_of(system, theta))
    problem, x0 = problem.sample(np.random.default_rng(seed), samples)
    with quiet(), threadpool_limits(1):
        outcome = attempt(ESTIMATORS[estimator], problem, x0, setting)
        if outcome.status != "ok":
            raise ValueError(f"{estimator}: {outcome.reason}")
        found = measure_overhead(problem, ESTIMATORS[estimator], x0, setting)
    if as_json:
        print_json(asdict(found))
        return
    click.echo(
        f"{estimator} at {setting:g} on {system}, {samples} samples: "
        f"{found.gradient_s * 1e3:.1f} ms, {found.factor:.2f} times its oracle calls alone; "
        f"one by one the samples take {found.batch_speedup:.1f} times as long"
    )


def _preset_of(system: str, theta: str | None) -> str:
    presets = list(TASKS[system].presets)
    if theta is not None and theta not in presets:
        raise click.ClickException(f"{system} has no preset {theta!r}: known: {', '.join(presets)}")
    return theta or presets[-1]
