"""The verb `check` of the command line."""

import sys
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from gradpareto.bench.conformance.finding import Finding, passes
from gradpareto.bench.conformance.kit import CHECKS, check_all
from gradpareto.bench.verbs.options import AS_JSON, ESTIMATORS_OF, PLUG_IN, Count, Positive
from gradpareto.bench.verbs.terminal import print_json


@click.command("check", epilog=PLUG_IN)
@click.argument("estimator", type=ESTIMATORS_OF)
@click.option(
    "--seconds",
    type=Positive(),
    default=120.0,
    show_default=True,
    help="Seconds of processor time that one check may take.",
)
@click.option(
    "--workers",
    type=Count(),
    default=2,
    show_default=True,
    help="Number of processes that check side by side.",
)
@AS_JSON
def verb(estimator: tuple[str, ...], seconds: float, workers: int, as_json: bool) -> None:
    """Check whether ESTIMATOR is fit to be compared.

    Every form of it is run on small problems whose gradients are known, and each finding is printed
    as soon as it is there. The exit status is 0 if it passes, and 1 if a check failed or took too
    long.

    Example: gradpareto check my_solver.py:MySolver
    """
    found: dict[str, list[Finding]] = {}
    for name, finding in check_all(list(estimator), seconds, workers):
        # The result alone is on standard output if it is JSON.
        line = partial(click.echo, err=as_json)
        rows = found.setdefault(name, [])
        if finding is None:
            line(verdict(name, rows))
        else:
            rows.append(finding)
            line(("" if len(rows) > 1 else f"{name}:\n") + told(finding))
    if as_json:
        print_json(
            [
                {"estimator": name, "passes": passes(rows), "findings": _in_order(rows)}
                for name, rows in found.items()
            ]
        )
    sys.exit(0 if all(map(passes, found.values())) else 1)


def _in_order(findings: list[Finding]) -> list[dict[str, Any]]:
    """The findings in the order of CHECKS, which is not the order in which they came."""
    order = list(CHECKS)
    return [asdict(one) for one in sorted(findings, key=lambda one: order.index(one.check))]


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
