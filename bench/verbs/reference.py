"""The verb `reference` of the command line."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.plugins import SYSTEM_PLUGINS, quiet
from gradpareto.bench.run.certificates import certificate_table, left_out
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.initial_states import load_x0
from gradpareto.bench.run.plan import Plan, chosen_problems
from gradpareto.bench.run.sending import certified, schedule
from gradpareto.bench.verbs.numbers import Count
from gradpareto.bench.verbs.options import (
    AS_JSON,
    CACHE,
    DRAWING_SEED,
    PATH,
    PLUG_IN_SYSTEM,
    SYSTEM,
    THETAS,
    UNCERTAINTY,
)
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.reference import Reference, cache_key, load_or_certify
from gradpareto.reference.certificate import Kind

KINDS = get_args(Kind)


@click.command("reference", epilog=PLUG_IN_SYSTEM)
@click.argument("system", type=SYSTEM, is_eager=True)
@THETAS
@click.option(
    "--samples",
    type=Count(),
    default=16,
    show_default=True,
    help="Number of initial states that are drawn.",
)
@DRAWING_SEED
@click.option(
    "--x0",
    type=PATH,
    help="File of initial states, .npy or comma-separated text, instead of drawn ones.",
)
@UNCERTAINTY
@CACHE
@AS_JSON
def verb(
    system: str,
    thetas: tuple[str, ...],
    samples: int,
    seed: int,
    x0: Path | None,
    bound: float,
    cache: Path,
    as_json: bool,
) -> None:
    """Print the certificates of a system's reference gradients.

    It says which samples are certified, names each method that solved for the gradient, and how far
    the methods disagree. The exit status is 0 if every problem has a sample that can judge, 1 if
    some have none, and 2 if no problem has one.

    Example: gradpareto reference lqr --theta optimal
    """
    states = None if x0 is None else load_x0(x0)
    plan = Plan(chosen_problems((system,), thetas), (), samples=samples, seed=seed, x0=states)
    # All keys before the first solve: the code may be edited while it runs.
    keys = {problem: cache_key(*plan.sampled(*problem)) for problem in plan.problems}
    references = _references(system, plan, cache, keys)
    if as_json:
        print_json([_row(*entry, bound) for entry in references.items()])
    else:
        for problem, reference in references.items():
            click.echo(certificate(problem, reference, bound))
    judging = [bool(reference.usable(bound).any()) for reference in references.values()]
    sys.exit(0 if all(judging) else 1 if any(judging) else 2)


def _references(
    system: str, plan: Plan, cache: Path, keys: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], Reference]:
    """Certify the plan's problems; those of a plug-in in a process that it may bring down."""
    asked = {problem: (*plan.sampled(*problem), cache, key) for problem, key in keys.items()}
    if system not in SYSTEM_PLUGINS:
        with quiet(), threadpool_limits(1):
            return {problem: load_or_certify(*given) for problem, given in asked.items()}
    with Processes(1) as pool:
        return {
            problem: certified(schedule(pool, [system], load_or_certify, given), *given[:2])
            for problem, given in asked.items()
        }


def certificate(problem: tuple[str, str], reference: Reference, bound: float) -> str:
    """Say what the certificates of a problem are worth, and how far the methods disagree."""
    table, total = certificate_table(reference, bound), len(reference.loss)
    counts = ", ".join(
        f"{count} {kind}" for kind in KINDS if (count := int((table.kind == kind).sum()))
    )
    lines = [f"{problem[0]} ({problem[1]}): of {total} samples {counts}"]
    usable = reference.usable(bound)
    if usable.any():
        lines[0] += f", to {reference.rel_uncertainty[usable].max():.1e} relative at the worst"
    lines += [f"  {line}" for line in left_out(problem, table)]
    lines += [
        f"  {text} ({', '.join(map(str, rows['sample']))})"
        for text, rows in table[table.untested != ""].groupby("untested", sort=False)
    ]
    lines += [f"  {value:.1e}  {name}" for name, value in _disagreements(reference).items()]
    if np.isfinite(reference.resolution):
        lines.append(f"  a feature shorter than {reference.resolution:.1e} in time is not seen")
    return "\n".join(lines)


def _row(problem: tuple[str, str], reference: Reference, bound: float) -> dict[str, object]:
    usable = reference.usable(bound)
    return {
        "system": problem[0],
        "theta": problem[1],
        "samples": len(reference.loss),
        "certificates": certificate_table(reference, bound).to_dict("records"),
        "rel_uncertainty": float(np.max(reference.rel_uncertainty[usable], initial=0))
        if usable.any()
        else None,
        "disagreements": _disagreements(reference),
    }


def _disagreements(reference: Reference) -> dict[str, float]:
    """Return the largest disagreement of each pair of methods, relative to the gradient's norm."""
    size = np.linalg.norm(reference.gradient, axis=1)
    found = {}
    for name, value in reference.disagreements.items():
        relative = value / np.where(size > 0, size, 1)
        if np.isfinite(relative).any():
            found[name] = float(np.nanmax(relative))
    return found
