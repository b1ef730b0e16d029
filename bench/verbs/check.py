"""The verb `check` of the command line."""

import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from threadpoolctl import threadpool_limits

from gradpareto.bench.conformance.finding import Finding, passes
from gradpareto.bench.conformance.kit import CHECKS, check_all
from gradpareto.bench.conformance.system_kit import check_system
from gradpareto.bench.plugins import quiet
from gradpareto.bench.verbs.numbers import Between, Positive
from gradpareto.bench.verbs.options import AS_JSON, CHECKED, PLUG_IN, PLUG_IN_SYSTEM, UNCERTAINTY
from gradpareto.bench.verbs.side_by_side import JOBS
from gradpareto.bench.verbs.terminal import print_json


@click.command("check", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.argument("checked", metavar="NAME", type=CHECKED)
@click.option(
    "--seconds",
    type=Positive(),
    default=120.0,
    show_default=True,
    help="Seconds of processor time that one check may take.",
)
@JOBS
@click.option(
    "--seed",
    type=Between(0),
    default=lambda: secrets.randbits(32),
    show_default="a fresh one, which is printed",
    help="Seed that moves the initial states and parameters an estimator is checked on.",
)
@UNCERTAINTY
@AS_JSON
def verb(
    checked: tuple[str, tuple[str, ...]],
    seconds: float,
    jobs: int,
    seed: int,
    bound: float,
    as_json: bool,
) -> None:
    """Check an estimator, or a system that estimators are compared on.

    Every form of an estimator is run on small problems whose gradients are known, and which it
    cannot have seen before. The methods of a system are checked row by row, and the references of
    its presets are certified. Each finding is printed as soon as it is there. The exit status is 0
    if all is well, and 1 if a check failed or took too long.

    Example: gradpareto check my_solver.py:MySolver

    Example: gradpareto check quadrotor
    """
    kind, names = checked
    found: dict[str, list[Finding]] = {}
    of_system = kind == "system"
    checks = _of_system(names[0], bound) if of_system else check_all(names, seconds, jobs, seed)
    if not of_system:
        click.echo(f"checked on problems of seed {seed} (--seed)", err=as_json)
    for name, finding in checks:
        # The result alone is on standard output if it is JSON.
        line = partial(click.echo, err=as_json)
        rows = found.setdefault(name, [])
        if finding is None:
            line(verdict(name, rows))
        else:
            rows.append(finding)
            line(("" if len(rows) > 1 else f"{name}:\n") + told(finding))
    if as_json:
        print_json(_as_data(kind, found, {} if of_system else {"seed": seed}))
    sys.exit(0 if all(map(passes, found.values())) else 1)


def _as_data(
    kind: str, found: dict[str, list[Finding]], more: dict[str, Any]
) -> list[dict[str, Any]]:
    return [
        {kind: name, "passes": passes(rows), "findings": _in_order(rows), **more}
        for name, rows in found.items()
    ]


def _of_system(name: str, bound: float) -> Iterator[tuple[str, Finding | None]]:
    findings = check_system(name, bound)
    while True:
        with quiet(), threadpool_limits(1):  # what the system prints is no finding
            finding = next(findings, None)
        yield name, finding
        if finding is None:
            return


def _in_order(findings: list[Finding]) -> list[dict[str, Any]]:
    """The findings in the order of CHECKS, which is not that in which an estimator's came."""
    order = {check: number for number, check in enumerate(CHECKS)}
    return [asdict(one) for one in sorted(findings, key=lambda one: order.get(one.check, 0))]


def verdict(name: str, findings: list[Finding]) -> str:
    """The last line about an estimator: whether it passes, and if not why."""
    if passes(findings):
        return f"{name}: passes\n"
    checks = {
        status: ", ".join(one.check for one in findings if one.status == status)
        for status in ("failed", "timeout")
    }
    told = {"failed": "failed", "timeout": "took too long, which is neither right nor wrong"}
    reasons = [f"{checks[status]} {told[status]}" for status in checks if checks[status]]
    return f"{name}: does not pass: {'; '.join(reasons)}\n"


def told(finding: Finding) -> str:
    """A line about a finding, and under one that did not pass what to do."""
    lines = [f"  {finding.status.upper():7}  {finding.check}: {finding.seen}"]
    if finding.status in ("failed", "timeout"):
        lines += [f"           expected: {finding.expected}", f"           do: {finding.advice}"]
    return "\n".join(lines)
