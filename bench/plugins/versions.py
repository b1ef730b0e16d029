"""Keeps a folder's results of one version of a plug-in apart from those of its older versions."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gradpareto.bench.plugins.registry import PLUGINS, SYSTEM_PLUGINS, Plugin
from gradpareto.bench.store.records import RunFolder, UnusableFolder, write_whole

Held = dict[str, dict[str, Any]]
"""The plug-ins in a folder's provenance: name to source, digest and names of estimators."""


def set_aside_older_cells(
    folder: RunFolder, estimators: Iterable[str], systems: Iterable[str]
) -> None:
    """Move the cells and limits of plug-ins whose code has changed to the folder `aside`.

    Raises UnusableFolder where a name stands for something else in the folder.
    """
    asked = list(estimators), list(systems)
    if not _plugins_are_asked(folder, *asked):
        return
    folder.unpack()

    def files(part: int, names: Iterable[str]) -> list[Path]:
        wanted = set(names)
        cells = (folder.path / "cells").glob("*.csv")
        found = [path for path in cells if path.name.split(".", 3)[part] in wanted]
        limits = folder.path.glob("limits/*.csv") if part == 0 else ()
        return [*found, *(path for path in limits if path.name.split(".")[0] in wanted)]

    moved = _note_versions(folder, "plugins", _named(PLUGINS, asked[0]), lambda n: files(2, n))
    moved |= _note_versions(
        folder, "system_plugins", _named(SYSTEM_PLUGINS, asked[1]), lambda n: files(0, n)
    )
    if moved and folder.records_path.is_file():
        folder.write_records()


def set_aside_older_histories(folder: RunFolder, estimators: Iterable[str], system: str) -> None:
    """Move the learning histories of plug-ins whose code has changed to the folder `aside`.

    All histories of the folder are of one system. Raises UnusableFolder where a name stands for
    something else in the folder.
    """
    names = list(estimators)
    if not _plugins_are_asked(folder, names, [system]):
        return

    def of(wanted: Iterable[str]) -> list[Path]:
        return [path for path in folder.path.glob("*.npz") if path.stem in set(wanted)]

    _note_versions(folder, "plugins", _named(PLUGINS, names), of)
    everything = lambda _: list(folder.path.glob("*.npz"))  # noqa: E731
    _note_versions(folder, "system_plugins", _named(SYSTEM_PLUGINS, [system]), everything)


def _named(plugins: dict[str, Plugin], names: list[str]) -> dict[str, Plugin]:
    """The plug-ins that are asked for, by their own name or by that of one of their estimators."""
    return {
        name: plugin for name, plugin in plugins.items() if {name, *plugin.estimators} & set(names)
    }


def _plugins_are_asked(folder: RunFolder, estimators: list[str], systems: list[str]) -> bool:
    """Whether a plug-in is asked for.

    Raises UnusableFolder if a name that is asked for was a plug-in's when the folder was measured,
    and is a registered one now.
    """
    provenance = folder.provenance()
    own = {name for plugin in PLUGINS.values() for name in plugin.estimators}
    for part, asked, plugins in (
        ("plugins", estimators, own),
        ("system_plugins", systems, set(SYSTEM_PLUGINS)),
    ):
        for entry in provenance.get(part, {}).values():
            for name in set(entry["names"]) & set(asked) - plugins:
                raise UnusableFolder(
                    f"{folder.path} has records of the plug-in {entry['source']} under the name "
                    f"{name}, which now belongs to the suite: choose another folder with --out"
                )
    return bool(own & set(estimators) or SYSTEM_PLUGINS.keys() & set(systems))


def _note_versions(
    folder: RunFolder,
    part: str,
    plugins: dict[str, Plugin],
    files_of: Callable[[Iterable[str]], list[Path]],
) -> bool:
    """Note the plug-ins in the provenance, and say whether files of older code were set aside."""
    provenance = folder.provenance()
    held: Held = provenance.get(part, {})
    moved = False
    for name, plugin in plugins.items():
        names = sorted(plugin.estimators or [name])
        entry = {"source": str(plugin.source), "digest": plugin.code, "names": names}
        before = held.get(name)
        if before == entry:
            continue
        files = files_of(before["names"] if before else names)
        if before is None and files:
            raise UnusableFolder(
                f"{folder.path} has records under the name of the plug-in {plugin.source} that are "
                f"not its own, such as {files[0].name}: rename the plug-in, or choose another "
                "folder with --out"
            )
        if before is not None and before["digest"] != entry["digest"]:
            _set_aside(folder, name, before, files)
            moved |= bool(files)
        held[name] = entry
    folder.write_provenance(folder.provenance() | {part: held})
    return moved


def _set_aside(folder: RunFolder, name: str, entry: dict[str, Any], files: list[Path]) -> None:
    """Move files to `aside/`, with a note of the source and the code that they come from."""
    if not files:
        return
    aside = folder.path / "aside" / f"{name}-{entry['digest'][:12]}"
    for path in files:
        there = aside / path.relative_to(folder.path)
        there.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while there.exists():
            number += 1
            there = there.with_name(f"{path.stem}-{number}{path.suffix}")
        path.rename(there)
    write_whole(aside / "plugin.json", json.dumps(entry, indent=2) + "\n")
