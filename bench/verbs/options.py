"""The command line's options, and what they check before anything runs."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from gradpareto.bench.plugins import BROKEN, PLUGINS, resolve
from gradpareto.bench.run import field_plan
from gradpareto.bench.run.plan import Plan, load_x0, problems_of
from gradpareto.bench.run.sweep import Budget
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS
from gradpareto.reference import default_folder
from gradpareto.systems import NEEDS, TASKS

DEFAULT_RUN = Path("results/runs/default")


Parameter = click.Parameter | None
Context = click.Context | None


class Name(click.ParamType):
    """One of a registry's names; an unknown one is answered with the nearest.

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
        known = list(self.known())
        if value in known:
            return value
        if value in self.needs:
            raise click.UsageError(f"{self.name} {value!r} needs: {self.needs[value]}")
        if value in BROKEN:
            raise click.UsageError(f"{self.name} {value!r} is broken: {BROKEN[value]}")
        if value.endswith(".py"):
            raise click.UsageError(f"{value} is a file: name what is in it, as in {value}:NAME")
        near = difflib.get_close_matches(value, known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise click.UsageError(f"unknown {self.name} {value!r}: {hint}")


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


class OneEstimator(Estimators):
    """The same where a single one is meant."""

    def convert(self, value: Any, param: Parameter, ctx: Context) -> Any:
        names = super().convert(value, param, ctx)
        if len(names) > 1:
            forms = ", ".join(name.rpartition("-")[2] for name in names)
            raise click.UsageError(f"{value} has several forms, name one, {value}-FORM: {forms}")
        return names[0]


class Positive(click.ParamType):
    """A number above zero and finite."""

    name = "number"

    def convert(self, value: Any, param: Parameter, ctx: Context) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            named = param.opts[0] if param else "the number"
            raise click.UsageError(f"{named} must be a positive number, not {value!r}")
        return number


class Count(Positive):
    """A whole number, 1 or more."""

    name = "count"

    def convert(self, value: Any, param: Parameter, ctx: Context) -> int:
        number = super().convert(value, param, ctx)
        if number != int(number):
            raise click.UsageError(f"{param.opts[0] if param else 'it'} must be a whole number")
        return int(number)


class SettingOf(click.ParamType):
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
        return name, Positive().convert(setting, param, ctx) if equals else None


SYSTEM = Name("system", lambda: TASKS, NEEDS)
ESTIMATOR = OneEstimator("estimator", lambda: ESTIMATORS)
ESTIMATORS_OF = Estimators("estimator", lambda: ESTIMATORS)
PRESET = Name("preset", lambda: sorted({name for task in TASKS.values() for name in task.presets}))
PLUG_IN = (
    "An estimator may be a plug-in: PATH.py:NAME or MODULE:NAME, a whole estimator, a solver or a "
    "Runge-Kutta tableau. One of the forms that a solver or a tableau becomes is NAME-FORM, as in "
    "my_solver.py:MySolver-ctpg."
)
"""What the verbs that take one say about it."""

PLAN = Name("plan", lambda: ("default", "field"))
PLAN_HELP = "field: every estimator, by few settings on 4 samples, untimed, in half an hour."

_SHARED = [
    click.option("--system", "systems", type=SYSTEM, multiple=True, help="Default: all."),
    click.option("--theta", "thetas", type=PRESET, multiple=True, help="Preset; default: all."),
    click.option("--samples", type=Count(), help="Initial states a system; default: the plan's."),
    click.option("--seed", type=click.IntRange(min=0), help="Of the initial states; default: 0."),
    click.option("--x0", type=click.Path(path_type=Path), help=".npy, or comma-separated."),
    click.option("--out", type=click.Path(path_type=Path), default=DEFAULT_RUN, show_default=True),
    click.option("--cache", type=click.Path(path_type=Path), help="Of references."),
    click.option("--workers", type=Count(), default=2, show_default=True, help="Processes."),
    click.option("--plan", type=PLAN, default="default", show_default=True, help=PLAN_HELP),
    click.option("--cell-seconds", type=Positive(), help="Default: 120, of the field 10."),
    click.option("--cell-bytes", type=Positive(), default=float(2**32), show_default=True),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
]


def measuring(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every verb that may measure."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def make_plan(
    estimators: Sequence[str], chosen: dict[str, Any], settings: Sequence[float] = ()
) -> Plan:
    """The plan that the options name; a folder that holds a run lends it samples and seed."""
    samples, seed = chosen["samples"], chosen["seed"]
    if chosen["x0"] is not None and len(chosen["systems"]) != 1:
        raise ValueError("--x0 holds the states of one system: name it with --system")
    x0 = None if chosen["x0"] is None else load_x0(chosen["x0"])
    whole_field = chosen.get("plan") == "field"
    plan = Plan(
        problems_of(chosen["systems"], chosen["thetas"]),
        tuple(estimators),
        samples=samples,
        all_samples=samples is not None or x0 is not None,
        settings=tuple(settings),
        seed=seed,
        x0=x0,
        timed=not whole_field,
        field=whole_field,
    )
    if not plan.problems:
        raise ValueError(f"{', '.join(chosen['systems'])}: no preset {', '.join(chosen['thetas'])}")
    return _as_in_folder(plan, RunFolder(chosen["out"])) if "out" in chosen else plan


def _as_in_folder(plan: Plan, folder: RunFolder) -> Plan:
    """What the options leave open is as the folder's run has it."""
    if not folder.exists:
        return plan
    held = folder.provenance()["shared"]
    if plan.samples is None and plan.x0 is None and held["samples"] != plan.most_samples:
        plan = replace(plan, samples=held["samples"])
    return replace(plan, seed=held["seed"]) if plan.seed is None else plan


def make_budget(chosen: dict[str, Any]) -> Budget:
    otherwise = field_plan.CELL_SECONDS if chosen["plan"] == "field" else Budget.cell_seconds
    return Budget(chosen["cell_seconds"] or otherwise, int(chosen["cell_bytes"]), chosen["workers"])


def cache_of(chosen: dict[str, Any]) -> Path:
    """The folder of references that the options name."""
    return Path(chosen["cache"]) if chosen["cache"] else default_folder()
