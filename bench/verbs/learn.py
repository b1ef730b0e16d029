"""The verb `learn` of the command line."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from gradpareto.bench.learning.compare import Comparison, best_theta, learn, summary
from gradpareto.bench.learning.optimiser import Adam
from gradpareto.bench.learning.setups import setting_of, setup_of
from gradpareto.bench.verbs.options import ESTIMATOR, PLUG_IN, SYSTEM, Count, Positive, SettingOf
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json, print_learning
from gradpareto.systems.task import trained_path

DEFAULT = Path("results/runs/learn")


@click.command("learn", epilog=PLUG_IN)
@click.argument("system", type=SYSTEM)
@click.option(
    "--estimator",
    "estimators",
    type=SettingOf(ESTIMATOR),
    multiple=True,
    default=("ctpg", "bptt"),
    show_default=True,
    help="NAME or NAME=SETTING.",
)
@click.option("--trials", type=Count(), default=1, show_default=True)
@click.option("--iterations", type=Count(), help="Of the first estimator; default: the set-up's.")
@click.option(
    "--budget",
    type=click.Choice(["evals", "seconds", "iterations"]),
    default="evals",
    show_default=True,
    help="What the others may spend: as much as the first did.",
)
@click.option("--adam", type=Positive(), help="Adam at this rate; default: the set-up's optimiser.")
@click.option("--horizon", type=Positive(), help="Of the training; default: the set-up's.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help=f"Default: {DEFAULT}/SYSTEM.")
@click.option(
    "--on-divergence",
    "rule",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    show_default=True,
    help="Leave samples without a finite gradient out, or end the trial as diverged.",
)
@click.option("--heldout-every", type=Count(), default=1, show_default=True, help="Iterations.")
@click.option("--reference-every", type=Count(), help="Iterations; default: 5 times a run.")
@click.option("--store-trained", is_flag=True, help="Make the first's best policy the preset.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def learn_verb(system: str, **chosen: Any) -> None:
    """Train a policy with each estimator, from the same parameters on the same initial states.

    Example: gradpareto learn differential_drive --estimator ctpg --estimator bptt=0.15 --trials 4
    """
    from gradpareto.bench.learning.curves import learning_curves  # noqa: PLC0415 (a second to import)

    comparison = _comparison(system, chosen)
    store = trained_path(system)
    if chosen["store_trained"] and store.exists():
        raise ValueError(f"{store.name} is there already: delete {store} to store another")
    folder = chosen["out"] or DEFAULT / system
    with threadpool_limits(1), np.errstate(all="ignore"):
        with progress() as report:
            histories = learn(comparison, folder, report)
        rows = summary(comparison, histories)
        if chosen["store_trained"]:
            _store(comparison, best_theta(comparison, histories), chosen, store)
    learning_curves(histories).savefig(folder / "learning.png")
    if chosen["as_json"]:
        print_json(rows)
    else:
        print_learning(rows)
        click.echo(f"records.csv and learning.png in {folder}")


def _comparison(system: str, chosen: dict[str, Any]) -> Comparison:
    setup, settings = setup_of(system), dict(chosen["estimators"])
    if chosen["horizon"]:
        setup = replace(setup, horizon=chosen["horizon"])
    if chosen["adam"]:
        setup = replace(setup, optimiser=Adam(chosen["adam"]))
    iterations = chosen["iterations"] or setup.iterations
    return Comparison(
        name=system,
        setup=setup,
        settings={name: given or setting_of(setup, name) for name, given in settings.items()},
        trials=chosen["trials"],
        seed=chosen["seed"],
        iterations=iterations,
        budget=chosen["budget"],
        rule=chosen["rule"],
        heldout_every=chosen["heldout_every"],
        reference_every=chosen["reference_every"] or max(1, iterations // 5),
    )


def _store(comparison: Comparison, theta: np.ndarray, chosen: dict[str, Any], path: Path) -> None:
    """The preset `trained`, in float32, with the command that makes it again."""
    settings = [f"--estimator {name}={value:g}" for name, value in comparison.settings.items()]
    given = [f"--{name} {chosen[name]:g}" for name in ("adam", "horizon") if chosen[name]]
    counts = [f"--{name} {getattr(comparison, name)}" for name in ("trials", "iterations", "seed")]
    options = " ".join([*settings, *given, *counts])
    command = f"gradpareto learn {comparison.name} {options} --store-trained"
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, theta=theta.astype(np.float32), command=np.array(command))
