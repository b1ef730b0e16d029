"""The verb `learn` of the command line."""

import io
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from rich.table import Table
from threadpoolctl import threadpool_limits

from gradpareto.bench.draw.figure_files import write_png
from gradpareto.bench.learning.compare import (
    Budget,
    Comparison,
    Summary,
    best_theta,
    checked,
    learn,
    summary,
)
from gradpareto.bench.learning.curves import learning_curves
from gradpareto.bench.learning.optimiser import Adam
from gradpareto.bench.learning.schedules import CosineDecay, GrowingHorizon
from gradpareto.bench.learning.setups import (
    Precision,
    Setup,
    check_allowance,
    setting_of,
    setup_of,
)
from gradpareto.bench.learning.train import OnDivergence
from gradpareto.bench.plugins import quiet, stored_policy
from gradpareto.bench.verbs.numbers import SEED, Count, Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    ESTIMATOR,
    PATH,
    PLUG_IN,
    PLUG_IN_SYSTEM,
    SYSTEM,
    SettingOf,
    gathered,
    tell_derivatives,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json, wide_console
from gradpareto.systems import Array
from gradpareto.whole_file import write_whole

DEFAULT = Path("results/runs/learn")
LONGEST = 100
"""The longest horizon of a training, in units of the system's own."""


@dataclass(frozen=True)
class Training:
    """The options of `learn`; None where the system's set-up decides."""

    estimators: tuple[tuple[str, float | None], ...]
    trials: int
    iterations: int | None
    budget: Budget
    adam: float | None
    decay: bool | None
    clip_norm: float | None
    horizon: float | None
    growth: tuple[float, float] | None
    precision: Precision | None
    sample_evals: int | None
    seed: int
    out: Path | None
    on_divergence: OnDivergence
    heldout_every: int
    reference_every: int | None
    store_trained: bool
    as_json: bool

    def comparison(self, system: str) -> Comparison:
        """The comparison of learners that is asked for, on a registered system.

        Raises ValueError for a horizon that is too long, or grows from beyond its whole, and for
        an allowance that no sample can keep to.
        """
        setup = self._setup(system)
        settings = {name: given or setting_of(setup, name) for name, given in self.estimators}
        check_allowance(setup, settings)
        iterations = self.iterations or setup.iterations
        return Comparison(
            name=system,
            setup=setup,
            settings=settings,
            trials=self.trials,
            seed=self.seed,
            iterations=iterations,
            budget=self.budget,
            on_divergence=self.on_divergence,
            heldout_every=self.heldout_every,
            reference_every=self.reference_every or max(1, iterations // 5),
        )

    def _setup(self, system: str) -> Setup:
        """Return the set-up of a system, with what the options change of it."""
        setup, changes = setup_of(system), dict[str, Any]()
        if self.horizon:
            own = setup.system.horizon
            if self.horizon > LONGEST * own:
                told = f"is more than {LONGEST} times {system}'s own, {own:g}"
                raise ValueError(f"--horizon {self.horizon:g} {told}")
            changes["horizon"] = self.horizon
        if self.growth:
            changes["growth"] = GrowingHorizon(*self.growth)
        if self.adam:
            changes["optimiser"] = Adam(self.adam)
        if self.decay is not None:
            changes["decay"] = CosineDecay() if self.decay else None
        changes |= {
            name: value
            for name in ("clip_norm", "precision", "sample_evals")
            if (value := getattr(self, name))
        }
        return replace(setup, **changes)

    def command(self, comparison: Comparison) -> str:
        """The command that makes the stored policy of a comparison again."""
        parts = [f"--estimator {name}={value:g}" for name, value in comparison.settings.items()]
        given = {"adam": self.adam, "clip-norm": self.clip_norm, "horizon": self.horizon}
        parts += [f"--{option} {value:g}" for option, value in given.items() if value]
        parts += {None: [], True: ["--decay"], False: ["--no-decay"]}[self.decay]
        parts += ["--growth {:g} {:g}".format(*self.growth)] if self.growth else []
        parts += [f"--precision {self.precision}"] * bool(self.precision)
        parts += [f"--sample-evals {self.sample_evals}"] * bool(self.sample_evals)
        parts += [f"--budget {comparison.budget}"] * (len(comparison.settings) > 1)
        parts += [f"--on-divergence {self.on_divergence}"] * (self.on_divergence != "skip")
        parts += [f"--trials {comparison.trials}", f"--iterations {comparison.iterations}"]
        parts += [f"--seed {comparison.seed}", "--store-trained"]
        return f"gradpareto learn {comparison.name} {' '.join(parts)}"


@click.command("learn", epilog=f"{PLUG_IN}\n\n{PLUG_IN_SYSTEM}")
@click.argument("system", type=SYSTEM, is_eager=True)
@gathered(
    Training,
    click.option(
        "--estimator",
        "estimators",
        type=SettingOf(ESTIMATOR),
        multiple=True,
        default=("ctpg", "bptt"),
        show_default=True,
        help="Estimator, repeatable: NAME, or NAME=SETTING.",
    ),
    click.option(
        "--trials", type=Count(), default=1, show_default=True, help="Number of trials of each."
    ),
    click.option(
        "--iterations",
        type=Count(),
        help="Number of iterations of the first estimator. Default: the set-up's.",
    ),
    click.option(
        "--budget",
        type=click.Choice(["evals", "seconds", "iterations"]),
        default="evals",
        show_default=True,
        help="What the first estimator spends, and the others may spend as much of.",
    ),
    click.option(
        "--adam", type=Positive(), help="Rate of Adam. Default: the set-up's own optimiser."
    ),
    click.option(
        "--decay/--no-decay",
        default=None,
        help="Let the rate fall to 0 along half a cosine. Default: as the set-up has it.",
    ),
    click.option(
        "--clip-norm",
        type=Positive(),
        help="Largest 2-norm of a gradient that is followed. Default: the set-up's.",
    ),
    click.option(
        "--horizon", type=Positive(), help="Horizon of the training. Default: the set-up's."
    ),
    click.option(
        "--growth",
        type=(Positive(), Positive()),
        metavar="START SHARE",
        help="Let the horizon grow from START to the whole over this SHARE of the training. "
        "A START as long as the whole keeps it there. Default: as the set-up has it.",
    ),
    click.option(
        "--precision",
        type=click.Choice(get_args(Precision)),
        help="Floating-point numbers of a gradient. Default: the set-up's.",
    ),
    click.option(
        "--sample-evals",
        type=Count(),
        help="Evaluations that a sample of a gradient may take; one that takes more is left out. "
        "Default: the set-up's.",
    ),
    click.option(
        "--seed",
        type=SEED,
        default=0,
        show_default=True,
        help="Seed that draws the parameters and the initial states.",
    ),
    click.option(
        "--out",
        type=PATH,
        help=f"Folder for the histories and the figure. Default: {DEFAULT}/SYSTEM.",
    ),
    click.option(
        "--on-divergence",
        type=click.Choice(["skip", "stop"]),
        default="skip",
        show_default=True,
        help="Skip samples without a finite gradient, or stop the trial as diverged.",
    ),
    click.option(
        "--heldout-every",
        type=Count(),
        default=1,
        show_default=True,
        help="Iterations from one held-out loss to the next.",
    ),
    click.option(
        "--reference-every",
        type=Count(),
        help="Iterations from one comparison with the reference gradient to the next. "
        "Default: a fifth of them all.",
    ),
    click.option(
        "--store-trained",
        is_flag=True,
        help="Keep the first estimator's best policy as the system's preset 'trained'.",
    ),
    AS_JSON,
)
def verb(asked: Training, system: str) -> None:
    """Train a policy with each of several estimators, and compare them.

    They start from the same parameters, and see the same initial states.

    Example: gradpareto learn differential_drive --estimator ctpg --estimator bptt=0.15 --trials 4
    """
    comparison, store = asked.comparison(system), stored_policy(system)
    if asked.store_trained and store.exists():
        raise ValueError(f"{store.name} is there already: delete {store} to store another")
    tell_derivatives(system)
    folder = asked.out or DEFAULT / system
    with quiet(), threadpool_limits(1), np.errstate(all="ignore"):
        comparison, unchecked = checked(comparison)
        if unchecked:
            click.echo(f"{system}: gradients are not checked, {unchecked}", err=True)
        with progress() as report:
            histories = learn(comparison, folder, report)
        rows = summary(comparison, histories)
        if asked.store_trained:
            _store(best_theta(comparison, histories), asked.command(comparison), store)
    write_png(learning_curves(histories), folder / "learning.png")
    if asked.as_json:
        print_json([asdict(row) for row in rows])
    else:
        print_learning(rows)
        click.echo(f"records.csv and learning.png in {folder}")


def _store(theta: Array, command: str, path: Path) -> None:
    """Write the preset `trained`, in float32, with the command that makes it again."""
    path.parent.mkdir(exist_ok=True)
    content = io.BytesIO()
    np.savez_compressed(content, theta=theta.astype(np.float32), command=np.array(command))
    write_whole(path, content.getvalue())


def print_learning(rows: list[Summary]) -> None:
    """Print what each estimator learned, a line for each."""
    shown = Table(title="medians over the trials", expand=False)
    for head in ("estimator", "setting", "iterations", "evals", "seconds"):
        shown.add_column(head, justify="right")
    for head in ("held-out before", "after", "skipped", "samples lost", "diverged"):
        shown.add_column(head, justify="right")
    for row in rows:
        shown.add_row(
            row.estimator,
            f"{row.setting:g}",
            *(f"{number:,.0f}" for number in (row.iterations, row.evals, row.seconds)),
            *(f"{loss:.5g}" for loss in (row.heldout_before, row.heldout_after)),
            *(f"{count:,}" for count in (row.skipped, row.failures, row.diverged)),
        )
    wide_console().print(shown)
