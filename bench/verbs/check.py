"""The verb `check` of the command line."""

import sys
from dataclasses import asdict

import click

from gradpareto.bench.conformance.finding import Finding
from gradpareto.bench.conformance.kit import check_all, passes
from gradpareto.bench.verbs.options import AS_JSON, ESTIMATORS_OF, PLUG_IN, Count, Positive
from gradpareto.bench.verbs.terminal import print_json


@click.command("check", epilog=PLUG_IN)
@click.argument("estimator", type=ESTIMATORS_OF)
@click.option(
    "--seconds",
    type=Positive(),
    default=120.0,
    show_default=True,
    help="Seconds that one check may take.",
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

    Every form of it is run on small problems whose gradients are known. The exit status is 0 if it
    passes, and 1 if a check failed.

    Example: gradpareto check my_solver.py:MySolver
    """
    found = check_all(list(estimator), seconds, workers)
    if as_json:
        print_json(
            [
                {"estimator": name, "passes": passes(rows), "findings": [asdict(r) for r in rows]}
                for name, rows in found.items()
            ]
        )
    else:
        click.echo("\n\n".join(report(name, rows) for name, rows in found.items()))
    sys.exit(0 if all(map(passes, found.values())) else 1)


def report(name: str, findings: list[Finding]) -> str:
    """A line for each check, and under a failed one what to do."""
    lines = [f"{name}: {'passes' if passes(findings) else 'does not pass'}"]
    for finding in findings:
        lines.append(f"  {finding.status.upper():6}  {finding.check}: {finding.seen}")
        if finding.status == "failed":
            lines += [f"          expected: {finding.expected}", f"          do: {finding.advice}"]
    return "\n".join(lines)
