"""The verb `compare` of the command line."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain, product
from pathlib import Path

import click
import pandas as pd

from gradpareto.bench.draw.comparison_figure import draw_comparison
from gradpareto.bench.judge.axes import AXES, EVALS
from gradpareto.bench.judge.describe import describe, summary
from gradpareto.bench.judge.evidence import RULE, Rule
from gradpareto.bench.judge.pairs import LOOSEST
from gradpareto.bench.judge.verdict import NothingToCompare, Verdict, judge_all, nothing_to_compare
from gradpareto.bench.verbs.measuring import Measuring, measuring
from gradpareto.bench.verbs.numbers import Positive
from gradpareto.bench.verbs.options import (
    ESTIMATOR,
    ESTIMATORS_OF,
    PLUG_IN,
    PLUG_IN_SYSTEM,
    Name,
)
from gradpareto.bench.verbs.terminal import print_json


@click.command("compare", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.argument("new", type=ESTIMATORS_OF)
@click.argument("baseline", type=ESTIMATOR)
@click.option(
    "--from",
    "loosest",
    type=Positive(),
    default=LOOSEST,
    show_default=True,
    help="Largest relative error at which the two are compared.",
)
@click.option(
    "--to",
    "tightest",
    type=Positive(),
    help="Smallest relative error. Default: the smallest that either reaches.",
)
@click.option(
    "--axis",
    "axes",
    type=Name("axis", lambda: (EVALS, *AXES)),
    multiple=True,
    default=(EVALS,),
    show_default=True,
    help=f"Cost to compare, repeatable: {', '.join((EVALS, *AXES))}.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
    default=RULE.alpha,
    show_default=True,
    help="Share of comparisons in which a statement may be wrong.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1),
    default=RULE.margin,
    show_default=True,
    help="Share of a cost by which two may differ and be alike.",
)
@measuring
def verb(
    asked: Measuring,
    new: tuple[str, ...],
    baseline: str,
    loosest: float,
    tightest: float | None,
    axes: tuple[str, ...],
    alpha: float,
    margin: float,
) -> None:
    """Judge whether the estimator NEW dominates BASELINE.

    What the run folder lacks for the verdict is measured first, and a figure of the two frontiers
    and of the ratio of their evaluations is written into it for each problem. On several axes, NEW
    dominates if it is nowhere behind on any and ahead on some. The exit status is 0 if NEW
    dominates on every problem asked for, and 1 if not; where NEW is a plug-in of several forms, one
    form that dominates is enough.

    Example: gradpareto compare ctpg bptt --system lqr

    Example: gradpareto compare my_solver.py:MySolver bptt --system quadrotor
    """
    if baseline in new:
        raise click.ClickException(f"cannot compare {baseline} with itself")
    if tightest is not None and tightest > loosest:
        raise click.ClickException(f"--to {tightest:g} is looser than --from {loosest:g}")
    plan = asked.planned((*new, baseline))
    records = asked.measured(plan)
    problems = _with_a_gradient(records, plan.problems)
    axes, rule = tuple(dict.fromkeys(axes)), Rule(alpha, margin)
    judged = [
        judge_all(records, problems, name, baseline, loosest, tightest, axes, rule) for name in new
    ]
    drawn = [
        draw_comparison(records, problem, name, baseline, rule, asked.folder.path)
        for name, problem in product(new, problems)
    ]
    _say(judged, rule, list(chain(*drawn)), asked.as_json)
    won = (all(one.answer == "dominates" for one in verdicts[1.0]) for verdicts in judged)
    sys.exit(0 if any(won) else 1)


def _say(
    judged: Sequence[Mapping[float, list[Verdict]]],
    rule: Rule,
    figures: Sequence[Path],
    as_json: bool,
) -> None:
    """Print the verdicts on each form of NEW, and a last line if there are several."""
    if as_json:
        rows = [row for verdicts in judged for row in verdicts.values()]
        print_json([asdict(v) | {"sentence": v.sentence()} for row in rows for v in row])
        return
    click.echo("\n".join(describe(one, rule) for one in judged))
    if figures:
        click.echo(f"{len(figures)} figures in {figures[0].parent}")
    if len(judged) > 1:
        click.echo(summary(judged))


def _with_a_gradient(
    records: pd.DataFrame, problems: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return the measured problems that can be judged, and say on standard error which cannot.

    Raises NothingToCompare if there are none.
    """
    empty, found = (
        set(nothing_to_compare(records)),
        set(zip(records.system, records.theta, strict=True)),
    )
    measured = [problem for problem in problems if problem in found]
    skipped = [problem for problem in measured if problem in empty]
    if len(skipped) == len(measured):
        raise NothingToCompare(skipped)
    if skipped:
        click.echo(f"gradpareto: {NothingToCompare(skipped)}", err=True)
    return [problem for problem in measured if problem not in empty]
