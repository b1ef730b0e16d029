"""The verb `reference` of the command line."""

from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.run.plan import Plan, load_x0, problems_of
from gradpareto.bench.verbs.options import (
    AS_JSON,
    CACHE,
    PATH,
    PLUG_IN_SYSTEM,
    PRESET,
    SYSTEM,
    Between,
    Count,
)
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.reference import Reference, cache_key, load_or_certify


@click.command("reference", epilog=PLUG_IN_SYSTEM)
@click.argument("system", type=SYSTEM, is_eager=True)
@click.option(
    "--theta",
    "--preset",
    "thetas",
    type=PRESET,
    multiple=True,
    help="Preset of the parameters, repeatable. Default: all.",
)
@click.option(
    "--samples",
    type=Count(),
    default=16,
    show_default=True,
    help="Number of initial states that are drawn.",
)
@click.option(
    "--seed",
    type=Between(0),
    default=0,
    show_default=True,
    help="Seed that draws the initial states.",
)
@click.option(
    "--x0",
    type=PATH,
    help="File of initial states, .npy or comma-separated text, instead of drawn ones.",
)
@CACHE
@AS_JSON
def verb(
    system: str,
    thetas: tuple[str, ...],
    samples: int,
    seed: int,
    x0: Path | None,
    cache: Path,
    as_json: bool,
) -> None:
    """Print the certificate of a system's reference gradients.

    It names each method that solved for the gradient, and how far the methods disagree.

    Example: gradpareto reference lqr --theta optimal
    """
    states = None if x0 is None else load_x0(x0)
    plan = Plan(problems_of((system,), thetas), (), samples=samples, seed=seed, x0=states)
    if not plan.problems:
        raise ValueError(f"{system}: no preset {', '.join(thetas)}")
    # All keys before the first solve: the code may be edited while it runs.
    keys = {problem: cache_key(*plan.sampled(*problem)) for problem in plan.problems}
    with threadpool_limits(1):
        certificates = {
            problem: load_or_certify(*plan.sampled(*problem), cache, key)
            for problem, key in keys.items()
        }
    if as_json:
        print_json([_row(*entry) for entry in certificates.items()])
    else:
        print_certificate(certificates)


def print_certificate(certificates: Mapping[tuple[str, str], Reference]) -> None:
    """Print, for each problem, how far the methods disagree, relative to the gradient's norm."""
    for (system, theta), reference in certificates.items():
        click.echo(
            f"{system} ({theta}): certified to {np.max(reference.rel_uncertainty):.1e} relative, "
            f"the worst of {len(reference.loss)} samples"
        )
        for name, value in _disagreements(reference).items():
            click.echo(f"  {value:.1e}  {name}")


def _row(problem: tuple[str, str], reference: Reference) -> dict[str, object]:
    system, theta = problem
    return {
        "system": system,
        "theta": theta,
        "samples": len(reference.loss),
        "rel_uncertainty": float(np.max(reference.rel_uncertainty)),
        "disagreements": _disagreements(reference),
    }


def _disagreements(reference: Reference) -> dict[str, float]:
    size = np.linalg.norm(reference.gradient, axis=1)
    return {name: float(np.max(value / size)) for name, value in reference.disagreements.items()}
