"""The verb `growth` of the command line."""

from pathlib import Path

import click
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gradpareto.bench.draw.figure_files import write_png
from gradpareto.bench.draw.growth_figure import growth_figure
from gradpareto.bench.plugins import quiet
from gradpareto.bench.run.growth import SIZES, exponents, measure_growth
from gradpareto.bench.store.provenance import session
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs.numbers import Count
from gradpareto.bench.verbs.options import AS_JSON, ESTIMATOR, PATH
from gradpareto.bench.verbs.progress import progress
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.estimators import ESTIMATORS
from gradpareto.whole_file import write_whole

TIMED = (
    "bptt-rk4",
    "bptt-adaptive-tsit5",
    "ctpg",
    "gauss_adjoint",
    "multistep_adjoint",
    "gauss_legendre-4",
)
DEFAULT = Path("results/runs/growth")


@click.command("growth")
@click.option(
    "--axis",
    "axes",
    type=click.Choice(list(SIZES)),
    multiple=True,
    default=tuple(SIZES),
    show_default=True,
    help="Axis along which a size grows, repeatable.",
)
@click.option(
    "--estimator",
    "estimators",
    type=ESTIMATOR,
    multiple=True,
    default=TIMED,
    show_default=True,
    help="Estimator to time, with steps or a tolerance, repeatable.",
)
@click.option(
    "--sizes",
    "most",
    type=Count(),
    default=max(map(len, SIZES.values())),
    show_default=True,
    help="Number of sizes along each axis, from the smallest on.",
)
@click.option(
    "--out",
    type=PATH,
    default=DEFAULT,
    show_default=True,
    help="Folder for records.csv, exponents.csv and growth.png.",
)
@AS_JSON
def verb(
    axes: tuple[str, ...], estimators: tuple[str, ...], most: int, out: Path, as_json: bool
) -> None:
    """Measure how the time of a gradient grows with its size, and fit exponents.

    The sizes are the lanes of a batch, the accepted steps, the parameters of the policy, all three
    on the quadrotor, and the states, on the heat equation. Everything is timed on one core.

    Example: gradpareto growth --axis batch --estimator ctpg
    """
    for name in estimators:
        if ESTIMATORS[name].declares.knob == "rollouts":
            raise ValueError(f"{name} has neither a step nor a tolerance, and cannot be timed here")
    folder, sizes = RunFolder(out), {axis: own[:most] for axis, own in SIZES.items()}
    shared = {"growth": sorted(axes), "estimators": list(estimators), "sizes": most}
    with folder.opened(shared), threadpool_limits(1), np.errstate(all="ignore"):
        folder.add_session(session({}))
        with quiet(), progress() as report:
            table = measure_growth(list(dict.fromkeys(axes)), estimators, sizes, report)
        if table.empty:
            raise ValueError("none of the estimators has a gradient at the smallest size")
        fitted = exponents(table)
        write_whole(out / "exponents.csv", fitted.to_csv(index=False))
        write_png(growth_figure(table), out / "growth.png")
        folder.publish_table(table)
    if as_json:
        print_json({"times": table.to_dict("records"), "exponents": fitted.to_dict("records")})
    else:
        click.echo(_side_by_side(fitted).to_string(float_format="{:.2f}".format))


def _side_by_side(fitted: pd.DataFrame) -> pd.DataFrame:
    """Return the exponents with a row for each estimator and a column for each axis."""
    return fitted.pivot_table(index="estimator", columns="axis", values="exponent", sort=False)
