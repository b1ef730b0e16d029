"""The registered plug-ins: those of entry points, and those that are named by their path."""

import importlib.metadata
import pickle
from dataclasses import dataclass
from pathlib import Path

from gradpareto.bench.nearest import nearest
from gradpareto.bench.plugins.brought import as_task, brings_a_system, stored_policy_path
from gradpareto.bench.plugins.described import describe
from gradpareto.bench.plugins.plugin_estimator import PluginEstimator
from gradpareto.bench.plugins.source import Source, Unusable, code_of, load, parse
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Task
from gradpareto.systems.names import fault_of_word, shown

ESTIMATOR_GROUP, SYSTEM_GROUP = "gradpareto.estimators", "gradpareto.systems"
CONVENTIONAL = "TASK"
"""The usual name of the one task of a file, which says less than the file's own name."""


@dataclass(frozen=True)
class Plugin:
    """A registered plug-in: its source, the digest of its code, and the names of its estimators."""

    name: str
    source: Source
    code: str
    estimators: tuple[str, ...] = ()


PLUGINS: dict[str, Plugin] = {}
"""Plug-ins with estimators, whose names are in ESTIMATORS too."""
SYSTEM_PLUGINS: dict[str, Plugin] = {}
"""Plug-ins with a system, whose names are in TASKS too."""
BROKEN: dict[str, str] = {}
"""Entry points that cannot be used, with the reason of each."""


def resolve(text: str) -> tuple[str, ...]:
    """Register a plug-in if it is new, and return the names that its estimators have in ESTIMATORS.

    `text` is PATH.py:NAME or MODULE:NAME, or the name of an entry point. With -FORM behind it, only
    the name of that form is returned. Raises Unusable.
    """
    if text in PLUGINS:
        return PLUGINS[text].estimators
    source, form = parse(text)
    found = register(source.attribute, source)
    if not form:
        return found.estimators
    if found.estimators == (found.name,):
        raise Unusable(f"{source} is an estimator as a whole: it has no form {form!r}")
    wanted = f"{found.name}-{form}"
    if wanted not in found.estimators:
        near = nearest(wanted, list(found.estimators))
        raise Unusable(f"{source} has no form {form!r}{near}")
    return (wanted,)


def register(name: str, source: Source) -> Plugin:
    """Put the estimators that the source's object makes into ESTIMATORS. Raises Unusable."""
    held = PLUGINS.get(name)
    if held is not None and held.source == source:
        return held
    if held is not None:
        raise Unusable(
            f"two plug-ins are called {name}, {held.source} and {source}: rename one of them"
        )
    check_name(name)
    found = describe(source, name)
    if found.refused:
        raise Unusable(found.refused)
    names = {f"{name}-{form}" if form else name: form for form in found.forms}
    for taken in [name, *names]:
        check_name(taken)
        if taken in ESTIMATORS:
            raise Unusable(
                f"{source}: {taken!r} is the name of a registered estimator: rename yours"
            )
    for full, form in names.items():
        own = found.forms[form]
        ESTIMATORS[full] = PluginEstimator(own.declared, source, name, form, own.code, found.files)
    PLUGINS[name] = Plugin(name, source, found.code, tuple(names))
    return PLUGINS[name]


def resolve_system(text: str) -> str:
    """Register a plug-in system if it is new, and return its name in TASKS.

    `text` is PATH.py:NAME or MODULE:NAME, a task, a system, or anything else with a flow and draws.
    The name is that of the file or the module, and what is not called TASK there has its own name
    behind it, as in `tank-SMALL`. Raises Unusable.
    """
    source, form = parse(text)
    if form:
        raise Unusable(f"{source} is a system, which has no form {form!r}")
    return register_system(system_name(source), source).name


def holds_a_system(text: str) -> bool:
    """Tell whether PATH.py:NAME or MODULE:NAME brings a system, and is no estimator.

    Raises Unusable if there is no such object.
    """
    source, _ = parse(text)
    return describe(source, source.attribute).is_system


def system_name(source: Source) -> str:
    """Return the name that a system has when it is given by its place."""
    stem = Path(source.where).stem if source.is_file else source.where.rpartition(".")[2]
    return stem if source.attribute == CONVENTIONAL else f"{stem}-{source.attribute}"


def register_system(name: str, source: Source) -> Plugin:
    """Put the task that the source's object makes into TASKS. Raises Unusable."""
    held = SYSTEM_PLUGINS.get(name)
    if held is not None and held.source == source:
        return held
    if held is not None:
        raise Unusable(
            f"two systems are called {name}, of {held.source} and {source}: rename one of the files"
        )
    if name in TASKS:
        raise Unusable(f"{source}: {name!r} is the name of a registered system: rename yours")
    check_name(name)
    task = _task(source, name)
    try:
        pickle.dumps((task.system, task.policy))
    except Exception as error:
        raise Unusable(f"{source} cannot be sent to another process: {error}") from error
    SYSTEM_PLUGINS[name] = Plugin(name, source, code_of(source))
    TASKS[name] = task
    return SYSTEM_PLUGINS[name]


def stored_policy(name: str) -> Path:
    """Return the file in which `learn` stores the preset `trained` of a registered system."""
    return stored_policy_path(name, SYSTEM_PLUGINS[name].source if name in SYSTEM_PLUGINS else None)


def check_name(name: str) -> None:
    """Raise Unusable if a plug-in cannot be called this."""
    if fault := fault_of_word(name):
        raise Unusable(f"{shown(name)} is not a usable name: it {fault}")


def _task(source: Source, name: str) -> Task:
    """Load a plug-in's task. Raises Unusable if it brings no system, or has no preset."""
    given = load(source)
    if not brings_a_system(given):
        kind = given.__name__ if isinstance(given, type) else type(given).__name__
        raise Unusable(
            f"{source} brings no system: {kind} is neither a gradpareto.Task nor a System, and has "
            "no flow(t, x, u)"
        )
    task = as_task(given, source, name)
    try:
        task.check_names()
    except ValueError as error:
        raise Unusable(f"{source}: {error}") from error
    if not task.presets:
        raise Unusable(f"{source} has no presets: its gradients are measured at those parameters")
    return task


def load_again(plugin: Plugin) -> None:
    """Load a plug-in's code in this process, so that its objects can be unpickled.

    Raises Unusable if the code is not what was registered.
    """
    if code_of(plugin.source) != plugin.code:
        raise Unusable(f"{plugin.source} was changed while it was being measured")


def load_entry_points() -> None:
    """Register the entry points of installed packages; those that cannot be used go to BROKEN."""
    for group, add in ((ESTIMATOR_GROUP, register), (SYSTEM_GROUP, register_system)):
        for entry in importlib.metadata.entry_points(group=group):
            module, _, attribute = entry.value.partition(":")
            try:
                if not attribute.strip().isidentifier():
                    raise Unusable(f"{entry.value!r} is not MODULE:NAME")
                add(entry.name, Source(module.strip(), attribute.strip()))
            except Unusable as error:
                BROKEN[entry.name] = f"{error} (entry point of {_owner(entry)})"


def _owner(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown package"
