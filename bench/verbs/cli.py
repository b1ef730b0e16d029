"""The command line: `gradpareto`, and `python -m gradpareto`."""

import sys
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench.judge.describe import describe
from gradpareto.bench.judge.matrix import verdict_matrix
from gradpareto.bench.judge.table import markdown, markdown_fewest, sentences, summarise
from gradpareto.bench.judge.verdict import LOOSEST, judge_all
from gradpareto.bench.plugins import BROKEN, load_entry_points
from gradpareto.bench.run.measure import attempt
from gradpareto.bench.run.overhead import measure_overhead
from gradpareto.bench.run.plan import DEFAULT_ESTIMATORS, Plan
from gradpareto.bench.run.sweep import sweep as run_sweep
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.check import check_verb
from gradpareto.bench.verbs.dimension import dimension_verb
from gradpareto.bench.verbs.learn import learn_verb
from gradpareto.bench.verbs.matrix import matrix_verb, publish
from gradpareto.bench.verbs.options import (
    ESTIMATOR,
    ESTIMATORS_OF,
    PLUG_IN,
    PRESET,
    SYSTEM,
    Count,
    Positive,
    cache_of,
    make_budget,
    make_plan,
    measuring,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.reproduce import reproduce_verb
from gradpareto.bench.verbs.terminal import print_certificate, print_json, print_summary
from gradpareto.bench.verbs.traits import traits_verb
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import NotSolved, load_or_certify
from gradpareto.systems import NEEDS, TASKS

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gradpareto")
def cli() -> None:
    """Which gradient estimator to use for a controlled ODE: accuracy against cost, measured."""
    load_entry_points()


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def list_all(as_json: bool) -> None:
    """Systems with their presets, and estimators with their knob and nominal order.

    Example: gradpareto list
    """
    systems = {
        name: {
            "states": task.system.state_dim,
            "controls": task.system.control_dim,
            "parameters": task.policy.size,
            "horizon": task.system.horizon,
            "presets": list(task.presets),
        }
        for name, task in TASKS.items()
    }
    estimators = {
        name: {"knob": method.knob, "order": method.order} for name, method in ESTIMATORS.items()
    }
    if as_json:
        print_json({"systems": systems, "needs": NEEDS, "estimators": estimators, "broken": BROKEN})
        return
    for kind, table in (("system", systems), ("estimator", estimators)):
        frame = pd.DataFrame.from_dict(table, orient="index").rename_axis(kind).reset_index()
        click.echo(frame.fillna("-").to_string(index=False), nl=True)
        click.echo()
    for name, command in NEEDS.items():
        click.echo(f"{name} needs: {command}")
    for name, reason in BROKEN.items():
        click.echo(f"{name} is broken: {reason}")


@cli.command(epilog=PLUG_IN)
@click.option(
    "--estimator", "estimators", type=ESTIMATORS_OF, multiple=True, help="Default: the plan's."
)
@click.option(
    "--setting", "settings", type=Positive(), multiple=True, help="Steps, tolerances or rollouts."
)
@measuring
def sweep(
    estimators: tuple[tuple[str, ...], ...], settings: tuple[float, ...], **chosen: Any
) -> None:
    """Measure what is missing in a run folder; write records.csv and provenance.json there.

    Example: gradpareto sweep --system quadrotor --estimator ctpg --samples 4 --out /tmp/run
    """
    plan = make_plan(list(chain(*estimators)) or _all_of(chosen), chosen, settings)
    records = _measured(plan, chosen)
    path = RunFolder(chosen["out"]).records_path
    failed = int((records.status != "ok").sum())
    if chosen["as_json"]:
        print_json({"records": str(path), "rows": len(records), "failed": failed})
    else:
        click.echo(f"{path}: {len(records)} records, {failed} of them failures")


@cli.command(epilog=PLUG_IN)
@click.option(
    "--estimator", "estimators", type=ESTIMATORS_OF, multiple=True, help="Default: the plan's."
)
@measuring
def pareto(estimators: tuple[tuple[str, ...], ...], **chosen: Any) -> None:
    """Sweep, then draw the figures and print the table of everything in the run folder.

    Example: gradpareto pareto --out results/runs/default
    """
    from gradpareto.bench.draw.figures import draw_run  # noqa: PLC0415 (a second to import)

    plan = make_plan(list(chain(*estimators)) or _all_of(chosen), chosen)
    records = _measured(plan, chosen)
    folder = RunFolder(chosen["out"])
    limits = {problem: folder.read_limit(*problem) for problem in _problems(records)}
    table, said = summarise(records, limits), sentences(records)
    table.to_csv(folder.path / "table.csv", index=False)
    (folder.path / "table.md").write_text(markdown(table))
    (folder.path / "fewest.md").write_text(markdown_fewest(table))
    figures = draw_run(records, limits, folder.path / "figures")
    if len(matrix := verdict_matrix(records)):
        publish(matrix, folder.path)
    if chosen["as_json"]:
        print_json({"table": table.to_dict("records"), "sentences": said})
    else:
        print_summary(table, said)
        click.echo(f"{len(figures)} figures in {folder.path / 'figures'}")


@cli.command(epilog=PLUG_IN)
@click.argument("new", type=ESTIMATORS_OF)
@click.argument("baseline", type=ESTIMATOR)
@click.option("--from", "loosest", type=Positive(), default=LOOSEST, show_default=True)
@click.option(
    "--to", "tightest", type=Positive(), help="Default: the tightest that either reaches."
)
@measuring
def compare(
    new: tuple[str, ...], baseline: str, loosest: float, tightest: float | None, **chosen: Any
) -> None:
    """Does NEW dominate BASELINE? From the records if they are there, else it measures first.

    Exit status 0 if it does on every problem asked for, 1 if not; where NEW is a plug-in of several
    forms, if some form of it does.

    Example: gradpareto compare ctpg bptt --system lqr

    Example: gradpareto compare my_solver.py:MySolver bptt --system quadrotor
    """
    if baseline in new:
        raise click.UsageError(f"cannot compare {baseline} with itself")
    if tightest is not None and tightest > loosest:
        raise click.UsageError(f"--to {tightest:g} is looser than --from {loosest:g}")
    plan = make_plan((*new, baseline), chosen)
    records = _measured(plan, chosen)
    judged = [judge_all(records, plan.problems, name, baseline, loosest, tightest) for name in new]
    if chosen["as_json"]:
        rows = [row for verdicts in judged for row in verdicts.values()]
        print_json([asdict(v) | {"sentence": v.sentence()} for row in rows for v in row])
    else:
        click.echo("\n".join(map(describe, judged)))
    dominates = (all(v.answer == "dominates" for v in verdicts[1.0]) for verdicts in judged)
    sys.exit(0 if any(dominates) else 1)


@cli.command()
@click.argument("system", type=SYSTEM)
@click.option("--theta", "thetas", type=PRESET, multiple=True, help="Preset; default: all.")
@click.option("--samples", type=Count(), default=16, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--x0", type=click.Path(path_type=Path), help="Initial states: .npy, or text.")
@click.option("--cache", type=click.Path(path_type=Path), help="Of references.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def reference(system: str, **chosen: Any) -> None:
    """Print the certificate of a system's references: each method, and how far they disagree.

    Example: gradpareto reference lqr --theta optimal
    """
    plan = make_plan((), chosen | {"systems": (system,)})
    with threadpool_limits(1):
        certificates = {
            problem: load_or_certify(*plan.sampled(*problem), cache_of(chosen))
            for problem in plan.problems
        }
    print_certificate(certificates, chosen["as_json"])


@cli.command(epilog=PLUG_IN)
@click.option("--system", type=SYSTEM, default="quadrotor", show_default=True)
@click.option("--theta", type=PRESET, help="Default: the system's last preset.")
@click.option("--estimator", type=ESTIMATOR, default="ctpg", show_default=True)
@click.option("--setting", type=Positive(), default=1e-3, show_default=True)
@click.option("--samples", type=Count(), default=32, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def overhead(
    system: str,
    theta: str | None,
    estimator: str,
    setting: float,
    samples: int,
    seed: int,
    as_json: bool,
) -> None:
    """What an estimator adds to the time of the oracle calls it makes, on one core.

    Example: gradpareto overhead --estimator bptt-rk4 --setting 0.05
    """
    task = TASKS[system]
    problem = task.problem(_preset_of(system, theta))
    problem, x0 = problem.sample(np.random.default_rng(seed), samples)
    with threadpool_limits(1):
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


cli.add_command(check_verb)
cli.add_command(dimension_verb)
cli.add_command(learn_verb)
cli.add_command(matrix_verb)
cli.add_command(reproduce_verb)
cli.add_command(traits_verb)


def main() -> None:
    """Run the command line; a mistake of the user's is one line and exit status 2."""
    try:
        sys.exit(cli.main(prog_name="gradpareto", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        _complain(error.format_message())
    except (ValueError, NotSolved, OSError) as error:
        _complain(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "gradpareto: interrupted; finished cells are kept, the same command continues", err=True
        )
        sys.exit(INTERRUPTED)


def _complain(message: str) -> None:
    click.echo(f"gradpareto: {' '.join(message.split())}", err=True)
    sys.exit(2)


def _measured(plan: Plan, chosen: dict[str, Any]) -> pd.DataFrame:
    folder, cache, budget = RunFolder(chosen["out"]), cache_of(chosen), make_budget(chosen)
    with progress() as report:
        return run_sweep(plan, folder, cache, budget, report)


def _all_of(chosen: dict[str, Any]) -> tuple[str, ...]:
    """The estimators of the plan that the options name."""
    return tuple(ESTIMATORS) if chosen["plan"] == "field" else DEFAULT_ESTIMATORS


def _problems(records: pd.DataFrame) -> list[tuple[str, str]]:
    return list(records[["system", "theta"]].drop_duplicates().itertuples(index=False, name=None))


def _preset_of(system: str, theta: str | None) -> str:
    presets = list(TASKS[system].presets)
    if theta is not None and theta not in presets:
        raise click.UsageError(f"{system} has no preset {theta!r}: known: {', '.join(presets)}")
    return theta or presets[-1]
