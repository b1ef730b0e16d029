"""The files of plug-ins, for workers on machines that do not have them.

There they lie below another folder, at the same places inside of it as here in the file system.
"""

import hashlib
import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gradpareto.bench.plugins.placed import ROOT, placed
from gradpareto.bench.plugins.source import Source, Unusable
from gradpareto.systems.code_digest import code_files
from gradpareto.whole_file import write_whole


@dataclass(frozen=True)
class Luggage:
    """The luggage of a task: the contents of files by their paths, and the digests of modules.

    The files are those of plug-ins that are files. Plug-ins that are modules are to be installed.
    """

    files: tuple[tuple[str, bytes], ...]
    modules: tuple[tuple[str, str], ...]


def luggage_of(sources: Iterable[Source]) -> Luggage:
    """Return what tasks of these plug-ins take along: their code, and the data that it names."""
    sources = list(sources)
    files: dict[str, bytes] = {}
    for source in sources:
        if source.is_file:
            module = ModuleType(f"gradpareto_plugin_{Path(source.where).stem}")
            module.__file__ = source.where
            _, others = code_files([module], with_data=True)
            files |= {str(path): path.read_bytes() for path in others}
    modules = {one.where: _module_digest(one.where) for one in sources if not one.is_file}
    return Luggage(tuple(files.items()), tuple(modules.items()))


def set_root(folder: str) -> None:
    """Have this process, and those that it starts, find the files of plug-ins below a folder."""
    os.environ[ROOT] = folder


def unpack(luggage: Luggage, worker: str) -> None:
    """Put the files in their places on this worker. Raises Unusable if a module is not here."""
    for path, content in luggage.files:
        there = placed(path, must_exist=False)
        if not there.exists() or there.read_bytes() != content:
            there.parent.mkdir(parents=True, exist_ok=True)
            write_whole(there, content)
    for name, digest in luggage.modules:
        if _module_digest(name) != digest:
            raise Unusable(f"the worker {worker} has no {name}, or another version: install it")


def _module_digest(name: str) -> str:
    """Hash the file of a module; "" if it has none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    if spec is None or not spec.has_location or spec.origin is None:
        return ""
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
