"""The registered plug-ins: those of entry points, and those that are named by their path."""

import importlib.metadata
import pickle
import re
from dataclasses import dataclass

from gradpareto.bench.nearest import nearest
from gradpareto.bench.plugins.plugin_estimator import PluginEstimator, code_of, made_of
from gradpareto.bench.plugins.source import Source, Unusable, load, parse
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Task

ESTIMATOR_GROUP, SYSTEM_GROUP = "gradpareto.estimators", "gradpareto.systems"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""A name is part of the names of files."""


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
    if not NAME.fullmatch(name):
        raise Unusable(f"{name!r} is not a usable name: use only letters, digits, _ and -")
    made = made_of(source, name)
    names = {f"{name}-{form}" if form else name: form for form in made}
    for taken in [name, *names]:
        if taken in ESTIMATORS:
            raise Unusable(
                f"{source}: {taken!r} is the name of a registered estimator: rename yours"
            )
    code = code_of(source)
    for full, form in names.items():
        ESTIMATORS[full] = PluginEstimator(source, name, form, code, made[form])
    PLUGINS[name] = Plugin(name, source, code, tuple(names))
    return PLUGINS[name]


def register_system(name: str, source: Source) -> Plugin:
    """Put the source's `Task` into TASKS. Raises Unusable."""
    if name in SYSTEM_PLUGINS and SYSTEM_PLUGINS[name].source == source:
        return SYSTEM_PLUGINS[name]
    if name in TASKS:
        raise Unusable(f"{source}: {name!r} is the name of a registered system: rename yours")
    if not NAME.fullmatch(name):
        raise Unusable(f"{name!r} is not a usable name: use only letters, digits, _ and -")
    task = load(source)
    if not isinstance(task, Task):
        raise Unusable(f"{source} is of type {type(task).__name__}, not gradpareto.Task")
    try:
        pickle.dumps((task.system, task.policy))
    except Exception as error:
        raise Unusable(f"{source} cannot be sent to another process: {error}") from error
    TASKS[name] = task
    SYSTEM_PLUGINS[name] = Plugin(name, source, code_of(source))
    return SYSTEM_PLUGINS[name]


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
