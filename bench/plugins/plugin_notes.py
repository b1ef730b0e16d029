"""The plug-ins of a run folder, as its provenance notes them: no name stands for two things."""

from collections.abc import Callable, Collection, Iterable

from gradpareto.bench.plugins.brought import compares_in_time, derivatives_of
from gradpareto.bench.plugins.registry import PLUGINS, SYSTEM_PLUGINS, Plugin
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.systems import TASKS

Present = Callable[[], Collection[str]]
"""A function that returns the names under which a folder has results."""


def note_plugins(
    folder: RunFolder,
    estimators: tuple[Iterable[str], Present],
    systems: tuple[Iterable[str], Present],
) -> set[str]:
    """Note the plug-ins among the names that are asked for, each with its source and its digest.

    Returns the names of estimators that a plug-in had when it was measured here and has no more.
    Raises UnusableFolder if a name stood for a plug-in when the folder was measured and belongs to
    the suite now, or the other way round.
    """
    gone: set[str] = set()
    for part, plugins, (asked, present) in (
        ("plugins", PLUGINS, estimators),
        ("system_plugins", SYSTEM_PLUGINS, systems),
    ):
        names = set(asked)
        _refuse_registered(folder, part, plugins, names)
        named = {key: one for key, one in plugins.items() if {key, *one.estimators} & names}
        gone |= _note(folder, part, named, present)
    return gone


def _refuse_registered(
    folder: RunFolder, part: str, plugins: dict[str, Plugin], asked: set[str]
) -> None:
    own = {name for key, plugin in plugins.items() for name in (plugin.estimators or (key,))}
    for entry in folder.provenance().get(part, {}).values():
        for name in set(entry["names"]) & asked - own:
            raise UnusableFolder(
                f"{folder.path} has records of the plug-in {entry['source']} under the name "
                f"{name}, which now belongs to the suite: choose another folder with --out"
            )


def _note(folder: RunFolder, part: str, plugins: dict[str, Plugin], present: Present) -> set[str]:
    provenance, gone = folder.provenance(), set[str]()
    held = dict(provenance.get(part, {}))
    for key, plugin in plugins.items():
        names = sorted(plugin.estimators or [key])
        if key not in held and (taken := set(names) & set(present())):
            raise UnusableFolder(
                f"{folder.path} has records under the name of the plug-in {plugin.source} that are "
                f"not its own, such as those of {min(taken)}: rename the plug-in, or choose "
                "another folder with --out"
            )
        gone |= set(held.get(key, {}).get("names", ())) - set(names)
        held[key] = {"source": str(plugin.source), "digest": plugin.code, "names": names}
        if part == "system_plugins" and (made := derivatives_of(TASKS[key])):
            times = {"times_comparable": compares_in_time(TASKS[key])}
            held[key] |= {"derivatives": dict(made), **times}
    if held != provenance.get(part, {}):
        folder.write_provenance(provenance | {part: held})
    return gone
