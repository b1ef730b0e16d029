"""The verb `list` of the command line."""

import click
import pandas as pd

from gradpareto.bench.plugins import BROKEN
from gradpareto.bench.verbs.options import AS_JSON, PLUG_IN_SYSTEM, SYSTEM
from gradpareto.bench.verbs.terminal import print_json
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import NEEDS, TASKS


@click.command("list", epilog=PLUG_IN_SYSTEM)
@click.option(
    "--system",
    "names",
    type=SYSTEM,
    multiple=True,
    help="System to list, repeatable. Default: all.",
)
@AS_JSON
def verb(names: tuple[str, ...], as_json: bool) -> None:
    """List the systems and the estimators.

    A system is shown with its sizes and its parameter presets, an estimator with its knob and its
    nominal order.

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
        if not names or name in names
    }
    estimators = {
        name: {"knob": method.declares.knob, "order": method.declares.order}
        for name, method in ESTIMATORS.items()
    }
    if as_json:
        print_json({"systems": systems, "needs": NEEDS, "estimators": estimators, "broken": BROKEN})
        return
    for kind, table in (("system", systems), ("estimator", estimators)):
        frame = pd.DataFrame.from_dict(table, orient="index").rename_axis(kind).reset_index()
        click.echo(frame.astype(object).fillna("-").to_string(index=False))
        click.echo()
    for name, command in NEEDS.items():
        click.echo(f"{name} needs: {command}")
    for name, reason in BROKEN.items():
        click.echo(f"{name} is broken: {reason}")
