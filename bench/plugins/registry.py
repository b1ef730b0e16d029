"""Plug-ins by name: those of entry points, and those that a command line names by their path."""

import importlib.metadata
import pickle
import re
from dataclasses import dataclass

from gradpareto.bench.nearest import nearest
from gradpareto.bench.plugins.plugin_estimator import Plugged, code_of, made_of
from gradpareto.bench.plugins.source import Source, Unusable, load, parse
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Task

ESTIMATOR_GROUP, SYSTEM_GROUP = "gradpareto.estimators", "gradpareto.systems"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""Names are parts of file names."""


@dataclass(frozen=True)
class Plugin:
    """What was registered under a name: estimators by their names there, or a system."""

    name: str
    source: Source
    code: str
    estimators: tuple[str, ...] = ()


PLUGINS: dict[str, Plugin] = {}
"""Estimators that came from elsewhere; their names are in ESTIMATORS too."""
SYSTEM_PLUGINS: dict[str, Plugin] = {}
"""Systems that came from elsewhere; their names are in TASKS too."""
BROKEN: dict[str, str] = {}
"""Entry points that cannot be used: name to reason."""


def resolve(text: str) -> tuple[str, ...]:
    """The names in ESTIMATORS of a plug-in, or of its form that is asked for.

    `text` is PATH.py:NAME or MODULE:NAME, with -FORM behind it for one form, or the name of an
    entry point that has several. Raises Unusable.
    """
    if text in PLUGINS:
        return PLUGINS[text].estimators
    source, form = parse(text)
    found = register(source.attribute, source)
    if not form:
        return found.estimators
    if found.estimators == (found.name,):
        raise Unusable(f"{source} is a whole estimator: it has no form {form!r}")
    wanted = f"{found.name}-{form}"
    if wanted not in found.estimators:
        near = nearest(wanted, list(found.estimators))
        raise Unusable(f"{source} has no form {form!r}{near}")
    return (wanted,)


def register(name: str, source: Source) -> Plugin:
    """Put the estimators that an object makes into ESTIMATORS. Raises Unusable."""
    held = PLUGINS.get(name)
    if held is not None and held.source == source:
        return held
    if held is not None:
        raise Unusable(f"two plug-ins are called {name}, {held.source} and {source}: rename one")
    if not NAME.fullmatch(name):
        raise Unusable(f"{name!r} cannot be part of a file's name: letters, digits, _ and - can")
    made = made_of(source, name)
    names = {f"{name}-{form}" if form else name: form for form in made}
    for taken in [name, *names]:
        if taken in ESTIMATORS:
            raise Unusable(f"{source}: {taken!r} is the name of a registered estimator: rename it")
    code = code_of(source)
    for full, form in names.items():
        ESTIMATORS[full] = Plugged(source, name, form, code, made[form])
    PLUGINS[name] = Plugin(name, source, code, tuple(names))
    return PLUGINS[name]


def register_system(name: str, source: Source) -> Plugin:
    """Put a `Task` into TASKS. Raises Unusable."""
    if name in SYSTEM_PLUGINS and SYSTEM_PLUGINS[name].source == source:
        return SYSTEM_PLUGINS[name]
    if name in TASKS:
        raise Unusable(f"{source}: {name!r} is the name of a registered system: rename it")
    if not NAME.fullmatch(name):
        raise Unusable(f"{name!r} cannot be part of a file's name: letters, digits, _ and - can")
    task = load(source)
    if not isinstance(task, Task):
        raise Unusable(f"{source} is a {type(task).__name__}, not a systems.Task")
    try:
        pickle.dumps((task.system, task.policy))
    except Exception as error:
        raise Unusable(f"{source} cannot be sent to another process: {error}") from error
    TASKS[name] = task
    SYSTEM_PLUGINS[name] = Plugin(name, source, code_of(source))
    return SYSTEM_PLUGINS[name]


def load_entry_points() -> None:
    """Register what installed packages offer; what cannot be used is left in BROKEN."""
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
