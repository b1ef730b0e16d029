"""The options that say where work is done side by side."""

from typing import Any

import click

from gradpareto.bench.run.engines.address import checked
from gradpareto.bench.verbs.numbers import Context, Count, Parameter

JOBS = click.option(
    "--jobs",
    type=Count(),
    default=2,
    show_default=True,
    help="Number of processes that work side by side, each with one thread.",
)


class Scheduler(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """The address of a Dask scheduler, or local:N."""

    name = "address"

    def convert(self, value: Any, param: Parameter, ctx: Context) -> str:
        try:
            return checked(value)
        except ValueError as error:
            raise click.ClickException(f"--scheduler {error}") from None


SCHEDULER = click.option(
    "--scheduler",
    type=Scheduler(),
    metavar="ADDRESS",
    help="Dask scheduler, tcp://HOST:PORT, whose workers measure instead of --jobs processes; "
    "local:N starts N workers on this machine.",
)
