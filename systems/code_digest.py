"""The digest of the code that values depend on: files reached by imports, and files of data.

These files are found, without anything being imported:

- the modules that define the classes of the values and of what their fields hold, all base classes,
  and functions;
- the modules that a module imports, at its top or inside a function, also those that it names in
  `import_module("NAME")`, with the packages that they are in; compiled modules too;
- files that a string constant of a module names: by an absolute path, from the current folder, from
  the module's folder or one of the two above it, or from a folder that another constant names, such
  as "data" in `Path(__file__).parent / "data" / "gains.csv"`; a constant may be a pattern, as
  "gains-*.csv" or f"gains-{k}.csv", or the suffix in `Path(__file__).with_suffix(".csv")`;
- files that a field of a value names in these ways, and those that a class declares in
  `data_files`.

Of an installed package that none of the values is from, and of NumPy and SciPy, the version counts.
Comments and docstrings do not count. A file whose name is put together while the code runs, what
the environment says and what comes over a network are not found: a class declares such a file in
`data_files`.
"""

import hashlib
import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import get_origin

from gradpareto.systems.data_files import named_files
from gradpareto.systems.source_file import Facts, read_facts
from gradpareto.systems.value_sources import declared_files, modules_of, named_in_fields

SUITE = "gradpareto"
BY_VERSION = {"numpy", "scipy"}
"""Packages of which the version counts and no file, even if a class derives from one of theirs."""
_INSTALLED = {"site-packages", "dist-packages"}
_STANDARD = Path(sysconfig.get_path("stdlib")).resolve()


@dataclass(frozen=True)
class _Source:
    """A file, and the package that its relative imports start from ("" for none)."""

    path: Path
    package: str = ""

    @property
    def is_of_the_suite(self) -> bool:
        return _top(self.package) == SUITE


def code_digest(
    values: Iterable[object], modules: Iterable[ModuleType] = (), with_data: bool = True
) -> str:
    """Hash all code that the values and the modules depend on (SHA-256, in hexadecimal).

    Files of data are left out unless `with_data`: code may write into one that it names.

    Raises TypeError if the source of a value's class is in no file, and ValueError if a file that a
    class declares is missing.
    """
    values, modules = list(values), list(modules)
    libraries = set[str]()
    total = hashlib.sha256()
    data = _data_of(values) if with_data else ()
    reached = (source.path for source in _reached(values, modules, libraries, with_data))
    for path in [*data, *reached]:
        total.update(f"{path.name} {read_facts(path).digest}\n".encode())
    for name in sorted(libraries):
        total.update(f"{name} {_version(name)}\n".encode())
    return total.hexdigest()


def code_files(
    modules: Iterable[ModuleType], with_data: bool = False
) -> tuple[list[Path], list[Path]]:
    """Return the files of code that the modules depend on: those of the suite, and the others.

    What counts by its version is left out. Files of data that the others name are among them
    `with_data`.
    """
    found = list(_reached([], list(modules), set(), with_data))
    own, others = (
        [source.path for source in found if source.is_of_the_suite is of_the_suite]
        for of_the_suite in (True, False)
    )
    return own, others


def _data_of(values: list[object]) -> Iterator[Path]:
    for value in values:
        yield from declared_files(value)
        yield from named_in_fields(value)


def _starts(modules: list[ModuleType]) -> tuple[list[_Source], set[str]]:
    """The files of the modules, and the packages of which the version counts."""
    sources, libraries = [], set()
    for module in dict.fromkeys(modules):
        top, file = _top(module.__name__), getattr(module, "__file__", None)
        if top in BY_VERSION:
            libraries.add(top)
        elif file is not None and top not in sys.stdlib_module_names:
            sources.append(_Source(_resolved(file), module.__package__ or ""))
    return sources, libraries


def _reached(
    values: list[object], modules: list[ModuleType], libraries: set[str], with_data: bool
) -> Iterator[_Source]:
    """The files of values and modules and all that they reach, each once, in the order of imports.

    What is not followed is added to `libraries`.
    """
    kinds = [value if isinstance(value, type) else type(value) for value in values]
    named = [kind.__module__ for kind in kinds] + [module.__name__ for module in modules]
    own = {SUITE, *map(_top, named)} - BY_VERSION
    starts, by_version = _starts([*modules, *(m for value in values for m in modules_of(value))])
    libraries |= by_version
    folders = {start.path.parent for start in starts}
    todo, seen = list(starts), set[Path]()
    for source in todo:  # grows while it is walked
        if source.path in seen or not source.path.is_file():
            continue
        seen.add(source.path)
        yield source
        facts = read_facts(source.path)
        for name in dict.fromkeys(_names(source, facts)):
            found, top = _find(name, source.path.parent), _top(name)
            if found is None or _is_standard(found):
                continue
            near = top in own or not _is_installed(found) or not folders.isdisjoint(found.parents)
            if near and top not in BY_VERSION:
                package = name if found.stem == "__init__" else name.rpartition(".")[0]
                todo.append(_Source(found, package))
            else:
                libraries.add(top)
        if with_data and not source.is_of_the_suite:
            suffixes = (source.path.stem + text for text in facts.texts if text.startswith("."))
            files = named_files([*facts.texts, *suffixes], source.path.parent)
            todo += [_Source(path) for path in files]


def _names(source: _Source, facts: Facts) -> Iterator[str]:
    """The absolute names of the modules that a file imports, and of the packages they are in."""
    for one in facts.imports:
        above = source.package.split(".")
        start = above[: len(above) - one.level + 1] if one.level else []
        base = ".".join([*start, *one.module.split(".")]).strip(".")
        names = one.names
        if _top(base) == SUITE:
            passed = names or sorted(facts.attributes & set(dir(sys.modules.get(base))))
            yield from {_defining(base, name): None for name in passed} or (base,)
            continue
        parts = base.split(".")
        yield from (".".join(parts[: k + 1]) for k in range(len(parts)))
        yield from (f"{base}.{name}" for name in names)


def _defining(base: str, name: str) -> str:
    """The module that defines a name; a package of the suite may pass on what others define.

    So a system depends on the modules that it uses, and not on every other system.
    """
    package = sys.modules.get(base)
    if not hasattr(package, "__path__"):
        return base
    value = getattr(package, name, None)
    if isinstance(value, ModuleType):
        return value.__name__
    value = get_origin(value) or value  # of a type with parameters, as Array is: from Python 3.12
    # on that may be an alias, which has a `__value__`
    named = isinstance(value, (type, FunctionType)) or hasattr(value, "__value__")
    return str(value.__module__) if named else base


def _find(name: str, beside: Path) -> Path | None:
    """The file of a module, which is looked up among those loaded first; None if it has none."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return _resolved(file) if file else None
    above, _, _ = name.rpartition(".")
    try:
        if above:
            folders = _folders(above, beside)
            spec = PathFinder.find_spec(name, folders) if folders else None
        else:
            spec = PathFinder.find_spec(name, [str(beside)]) or importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return _resolved(spec.origin) if spec and spec.has_location and spec.origin else None


def _folders(package: str, beside: Path) -> list[str]:
    """The folders in which a package's modules are, without it being imported."""
    loaded = sys.modules.get(package)
    if loaded is not None:
        return list(getattr(loaded, "__path__", ()))
    above, _, _ = package.rpartition(".")
    if above:
        spec = PathFinder.find_spec(package, _folders(above, beside))
    else:
        spec = PathFinder.find_spec(package, [str(beside)]) or importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or ()) if spec else []


def _top(name: str) -> str:
    return name.partition(".")[0]


@cache
def _resolved(file: str) -> Path:
    return Path(file).resolve()


@cache
def _is_installed(path: Path) -> bool:
    return not _INSTALLED.isdisjoint(path.parts)


@cache
def _is_standard(path: Path) -> bool:
    return path.is_relative_to(_STANDARD) and not _is_installed(path)


@cache
def _version(name: str) -> str:
    """The version of an installed package; "" if it is not known."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(name), "__version__", ""))
