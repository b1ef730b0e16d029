"""The types of the command line's arguments and options, which check them before anything runs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import click

from gradpareto.bench.nearest import SEE_LIST, nearest
from gradpareto.bench.plugins import BROKEN, PLUGINS, holds_a_system, resolve, resolve_system
from gradpareto.bench.plugins.brought import compares_in_time, derivatives_of
from gradpareto.bench.verbs.numbers import SEED, Context, Count, Parameter, Positive, positive
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import USABLE, default_folder
from gradpareto.systems import NEEDS, TASKS

DEFAULT_RUN = Path("results/runs/default")

Verb = TypeVar("Verb", bound=Callable[..., Any])


class Name(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """One of a registry's names; an unknown one is answered with one that is near, if there is one.

    `known` is called for the names, which plug-ins may add to. `needs` has those that are known and
    not installed, each with the command that helps.
    """

    def __init__(
        self,
        kind: str,
        known: Callable[[], Iterable[str]],
        needs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name, self.known, self.needs = kind, known, needs

    def convert(self, value: str, param: Parameter, ctx: Context) -> Any:
        # In an ASCII locale, what is beyond ASCII in an argument comes as bytes that are escaped.
        value = value.encode(errors="surrogateescape").decode(errors="surrogateescape")
        known = list(self.known())
        if value in known:
            return value
        if value in self.needs:
            raise click.ClickException(f"{self.name} {value!r} needs: {self.needs[value]}")
        if value in BROKEN:
            raise click.ClickException(f"{self.name} {value!r} is broken: {BROKEN[value]}")
        if value.endswith(".py"):
            raise click.ClickException(f"{value} is a file: name what is in it, as in {value}:NAME")
        hint = nearest(value, known) or SEE_LIST
        raise click.ClickException(f"unknown {self.name} {value!r}{hint}")


class System(Name):
    """A system's name, or a plug-in, PATH.py:NAME or MODULE:NAME: its name.

    Its parameter is eager, so that the presets of a plug-in are known when `--theta` is read,
    wherever that stands.
    """

    def convert(self, value: str, param: Parameter, ctx: Context) -> Any:
        return resolve_system(value) if ":" in value else super().convert(value, param, ctx)


def tell_derivatives(name: str) -> None:
    """Say on standard error how a system's derivatives were made, and what its times are worth."""
    task = TASKS[name]
    for method, made in derivatives_of(task).items():
        click.echo(f"{name}: the derivative of {method} is made by {made}", err=True)
    if not compares_in_time(task):
        click.echo(f"{name}: its times are not comparable with those of other systems", err=True)


class Estimators(Name):
    """An estimator's name, or a plug-in, which may be several: their names.

    A plug-in is PATH.py:NAME, MODULE:NAME or an entry point's name.
    """

    def convert(self, value: Any, param: Parameter, ctx: Context) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        if ":" in value or value in PLUGINS:
            return resolve(value)
        return (super().convert(value, param, ctx),)


class Checked(Name):
    """A system, or an estimator with all of its forms: the registry it is in, and its names."""

    def convert(self, value: Any, param: Parameter, ctx: Context) -> tuple[str, tuple[str, ...]]:
        if not isinstance(value, str):
            return (value[0], value[1])
        if value in TASKS or (":" in value and holds_a_system(value)):
            return "system", (SYSTEM.convert(value, param, ctx),)
        if ":" in value or value in PLUGINS:
            return "estimator", resolve(value)
        return "estimator", (super().convert(value, param, ctx),)


class OneEstimator(Estimators):
    """An estimator's name, or a plug-in that is a single estimator: its name."""

    def convert(self, value: Any, param: Parameter, ctx: Context) -> Any:
        names = super().convert(value, param, ctx)
        if len(names) > 1:
            forms = ", ".join(name.rpartition("-")[2] for name in names)
            raise click.ClickException(
                f"{value} has several forms, name one, {value}-FORM: {forms}"
            )
        return names[0]


class SettingOf(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """NAME or NAME=SETTING: the name, and the setting or None."""

    def __init__(self, names: Name) -> None:
        self.name, self.names = names.name, names

    def convert(
        self, value: str | tuple[str, float | None], param: Parameter, ctx: Context
    ) -> tuple[str, float | None]:
        if not isinstance(value, str):
            return value
        name, equals, setting = value.rpartition("=")
        name = self.names.convert(name if equals else setting, param, ctx)
        return name, positive(setting, f"the setting in {value}") if equals else None


SYSTEM = System("system", lambda: TASKS, NEEDS)
ESTIMATOR = OneEstimator("estimator", lambda: ESTIMATORS)
ESTIMATORS_OF = Estimators("estimator", lambda: ESTIMATORS)
CHECKED = Checked("estimator or system", lambda: [*ESTIMATORS, *TASKS])
PRESET = Name("preset", lambda: sorted({name for task in TASKS.values() for name in task.presets}))
PATH = click.Path(path_type=Path)
PLUG_IN = (
    "An estimator may be a plug-in: PATH.py:NAME or MODULE:NAME, a whole estimator, a solver or a "
    "Runge-Kutta tableau. One of the forms that a solver or a tableau becomes is NAME-FORM, as in "
    "my_solver.py:MySolver-ctpg."
)
"""The help's words about plug-in estimators, for each verb that takes one."""
PLUG_IN_SYSTEM = (
    "A system may be a plug-in: PATH.py:NAME or MODULE:NAME, a class with flow(t, x, u) and "
    "sample_x0(rng, samples), a System or a Task. It is called by the name of its file, with -NAME "
    "behind it if NAME is not TASK."
)
"""The help's words about plug-in systems, for each verb that takes one."""

SYSTEMS = click.option(
    "--system",
    "systems",
    type=SYSTEM,
    multiple=True,
    is_eager=True,
    help="System, repeatable. Default: all.",
)
THETAS = click.option(
    "--theta",
    "--preset",
    "thetas",
    type=PRESET,
    multiple=True,
    help="Preset of the parameters, repeatable. Default: all.",
)
LAST_THETAS = click.option(
    "--theta",
    "--preset",
    "thetas",
    type=PRESET,
    multiple=True,
    help="Preset of the parameters, repeatable. Default: each system's last one.",
)
BATCHES = click.option(
    "--batch",
    "batches",
    type=Count(),
    multiple=True,
    default=(1, 32, 256),
    show_default=True,
    help="Number of lanes in a batch, repeatable.",
)
TILED_SAMPLES = click.option(
    "--samples",
    type=Count(),
    default=16,
    show_default=True,
    help="Number of initial states, which a batch repeats.",
)
DRAWING_SEED = click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Seed that draws the initial states.",
)
RUN = click.option(
    "--out",
    type=PATH,
    default=DEFAULT_RUN,
    show_default=True,
    help="Run folder, whose records are judged.",
)
UNCERTAINTY = click.option(
    "--uncertainty",
    "bound",
    type=Positive(),
    default=USABLE,
    show_default=True,
    help="Largest relative uncertainty of a reference that may judge.",
)
X0_OF_RUN = click.option("--x0", type=PATH, help="File of the run's initial states, if it had one.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
CACHE = click.option(
    "--cache",
    type=PATH,
    default=default_folder,
    show_default="the user's cache, or $GRADPARETO_CACHE",
    help="Folder that holds the certified references.",
)


def gathered(
    record: type, *options: Callable[[Verb], Verb]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a verb these options, and their values as one `record`.

    The record is a dataclass with a field for each option; the verb takes it first.
    """

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        @wraps(verb)
        def call(**given: Any) -> None:
            verb(record(**{part.name: given.pop(part.name) for part in fields(record)}), **given)

        decorated: Callable[..., None] = call
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
