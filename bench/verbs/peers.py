"""The verb `peers` of the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil
from threadpoolctl import threadpool_limits

from gradpareto.bench.peers.pages import ratios_page, tolerances_page
from gradpareto.bench.peers.ports import PORTS
from gradpareto.bench.peers.registry import (
    PEERS,
    check_installed,
    default_peers,
    libraries_of,
)
from gradpareto.bench.peers.side_by_side import Sides, side_by_side
from gradpareto.bench.peers.tolerances import TOLERANCES, true_errors
from gradpareto.bench.plugins import quiet
from gradpareto.bench.run.plan import chosen_problems
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import Positive
from gradpareto.bench.verbs.options import (
    AS_JSON,
    BATCHES,
    CACHE,
    DRAWING_SEED,
    ESTIMATOR,
    PATH,
    PLUG_IN,
    PRESET,
    TILED_SAMPLES,
    Name,
    gathered,
)
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.systems import TASKS
from gradpareto.whole_file import write_whole

CANDIDATES = (
    "multistep_adjoint",
    "bptt-rk4",
    "bptt-tsit5",
    "bptt-dop853",
    "bptt-adaptive-tsit5",
    "gauss_adjoint",
    "gauss_adjoint-dop853",
    "ctpg-sketched",
    "spectral",
    "gauss_legendre-4",
    "picard_ladder",
    "newton_picard",
)
"""The estimators that can be the fastest at some batch and error."""
DEFAULT = Path("results/runs/peers")
PORTED = {name for name, task in TASKS.items() if type(task.system) in PORTS}
PORTED_SYSTEM = Name(
    "system",
    lambda: PORTED,
    dict.fromkeys(set(TASKS) - PORTED, "a port, a file in bench/peers/ports"),
)
PEER = Name("peer", lambda: PEERS)


@dataclass(frozen=True)
class Asked:
    """The options of the verb."""

    systems: tuple[str, ...]
    thetas: tuple[str, ...]
    estimators: tuple[str, ...]
    peers: tuple[str, ...]
    batches: tuple[int, ...]
    errors: tuple[float, ...]
    tolerances: tuple[float, ...]
    samples: int
    seed: int
    seconds: float
    cache: Path

    @property
    def sides(self) -> Sides:
        """The two sides to compare. Raises ValueError if a system has none of the presets."""
        problems = [
            pair for system in self.systems for pair in chosen_problems([system], self.thetas)
        ]
        given = self.estimators, self.peers, self.batches, self.errors
        return Sides(problems, *given, self.samples, self.seed, self.seconds, self.cache)


asking = gathered(
    Asked,
    click.option(
        "--system",
        "systems",
        type=PORTED_SYSTEM,
        multiple=True,
        default=("quadrotor", "lqr"),
        show_default=True,
        help="System that has a port, repeatable.",
    ),
    click.option(
        "--theta",
        "--preset",
        "thetas",
        type=PRESET,
        multiple=True,
        default=("initial", "perturbed"),
        show_default=True,
        help="Preset of the parameters, repeatable.",
    ),
    click.option(
        "--estimator",
        "estimators",
        type=ESTIMATOR,
        multiple=True,
        default=CANDIDATES,
        show_default=True,
        help="Estimator that may be the fastest, repeatable.",
    ),
    click.option(
        "--peer",
        "peers",
        type=PEER,
        multiple=True,
        default=default_peers,
        show_default="all, of torchdiffeq only where it is installed",
        help="Method of another library, repeatable.",
    ),
    BATCHES,
    click.option(
        "--error",
        "errors",
        type=Positive(),
        multiple=True,
        default=(1e-4, 1e-6, 1e-9),
        show_default=True,
        help="Relative error that both sides achieve, repeatable.",
    ),
    click.option(
        "--tolerance",
        "tolerances",
        type=Positive(),
        multiple=True,
        default=TOLERANCES,
        show_default="1e-2 to 1e-12",
        help="Tolerance at which the peers' true errors are measured, repeatable.",
    ),
    TILED_SAMPLES,
    DRAWING_SEED,
    click.option(
        "--seconds",
        type=Positive(),
        default=5.0,
        show_default=True,
        help="Time for which the rounds of a batch at an error go on.",
    ),
    CACHE,
)


@click.command("peers", epilog=PLUG_IN)
@asking
@click.option("--out", type=PATH, default=DEFAULT, show_default=True, help="Folder for the tables.")
@AS_JSON
def verb(asked: Asked, out: Path, as_json: bool) -> None:
    """Compare the fastest estimators with other libraries, at equal achieved error.

    Each side has the loosest settings whose gradients have the error, and both are timed in turn in
    one process on one core. Whoever takes 50 times as long as the fastest of its side enters no
    larger batch. The time in which a library compiles is left out, and told. The second table has
    the true errors of the other libraries at their tolerances. The extra 'peers' installs the
    libraries, except for torchdiffeq.

    Example: gradpareto peers --system lqr --batch 32 --error 1e-6
    """
    sides = asked.sides
    check_installed(asked.peers)
    libraries = sorted({name for peer in asked.peers for name in libraries_of(peer)})
    folder = RunFolder(out)
    shared = {"side by side": True, "samples": asked.samples, "seed": asked.seed}
    hold_to_one_core()
    with folder.opened(shared), quiet(), threadpool_limits(1), np.errstate(all="ignore"):
        folder.add_session(
            session({}) | {"peers": dict(zip(libraries, map(version, libraries), strict=True))}
        )
        with progress() as report:
            rows, best = side_by_side(sides, report)
            ratios = _written(out / "ratios", best, ratios_page)
            folder.publish_table(rows)
            errors = true_errors(sides, asked.tolerances, report)
            tolerances = _written(out / "tolerances", errors, tolerances_page)
            folder.write_checksums()
    if as_json:
        print_json({"ratios": best.to_dict("records"), "tolerances": errors.to_dict("records")})
    else:
        click.echo(f"{ratios}\n{tolerances}")


def _written(path: Path, table: pd.DataFrame, as_page: Callable[[pd.DataFrame], str]) -> str:
    """Write a table as CSV and as a page, beside each other, and return the page."""
    page = as_page(table)
    write_whole(path.with_suffix(".csv"), table.to_csv(index=False))
    write_whole(path.with_suffix(".md"), page)
    return page


def hold_to_one_core() -> None:
    """Hold this process, with all threads that a library will start, to one of its cores."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # macOS has none
        process.cpu_affinity(process.cpu_affinity()[-1:])
