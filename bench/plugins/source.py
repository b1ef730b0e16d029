"""Where a plug-in comes from: a file or a module, its object, and the digest of its code."""

import importlib
import importlib.util
import os
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from gradpareto.bench.nearest import nearest
from gradpareto.bench.plugins.placed import placed
from gradpareto.systems.code_digest import code_digest


class Unusable(ValueError):  # noqa: N818
    """A plug-in cannot be used; the message says why in one line."""


@dataclass(frozen=True)
class Source:
    """The place of a plug-in's object.

    `where` is a file's absolute path or a module's dotted name; `attribute` is the object's name
    in it.
    """

    where: str
    attribute: str

    @property
    def is_file(self) -> bool:
        return self.where.endswith(".py")

    def __str__(self) -> str:
        """PATH.py:NAME or MODULE:NAME, without the folder, which is private."""
        return f"{Path(self.where).name if self.is_file else self.where}:{self.attribute}"


def parse(text: str) -> tuple[Source, str]:
    """Split PATH.py:NAME or MODULE:NAME, with or without -FORM, into the source and the form ("").

    Raises Unusable if it is neither, or there is no such file.
    """
    where, _, what = text.rpartition(":")
    attribute, _, form = what.partition("-")
    if not where or not attribute.isidentifier():
        raise Unusable(f"{text!r} is neither PATH.py:NAME nor MODULE:NAME")
    path = Path(where).expanduser()
    if path.suffix == ".py":
        if not path.is_file():
            if os.path.lexists(path):
                raise Unusable(f"{path} is no file that can be read")
            raise Unusable(f"no such file: {path}{_near_file(path)}")
        return Source(str(path.resolve()), attribute), form
    if "/" in where:
        raise Unusable(f"{where} is not a Python file: its name should end in .py")
    return Source(where, attribute), form


def _near_file(path: Path) -> str:
    beside = path.parent.glob("*.py") if path.parent.is_dir() else ()
    return nearest(path.name, [found.name for found in beside])


def load(source: Source) -> object:
    """Return the object; its module is imported once in each process.

    Raises Unusable if the module does not load or has no such name.
    """
    module = module_of(source)
    try:
        return getattr(module, source.attribute)
    except AttributeError:
        public = [name for name in vars(module) if not name.startswith("_")]
        own = [n for n in public if getattr(vars(module)[n], "__module__", "") == module.__name__]
        near = nearest(source.attribute, own) or nearest(source.attribute, public)
        label = str(source).rpartition(":")[0]
        raise Unusable(f"{label} has no {source.attribute!r}{near}") from None


def module_of(source: Source) -> ModuleType:
    """Import the source's module, once in each process. Raises Unusable if that fails."""
    return _module(source.where)


@cache
def _module(where: str) -> ModuleType:
    path = placed(where)
    with quiet(), _explained(path.name if path.suffix == ".py" else where):
        if path.suffix != ".py":
            return importlib.import_module(where)
        name = f"gradpareto_plugin_{path.stem}_{zlib.crc32(os.fsencode(where)):08x}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up
        try:
            with _first_in_path(str(path.parent)):
                spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


@contextmanager
def _first_in_path(folder: str) -> Iterator[None]:
    """Search a folder first, as Python does for a script, and from then on last.

    A plug-in finds the modules beside it, whatever the current folder holds under their names;
    afterwards they shadow nothing that is imported when it is needed.
    """
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


@contextmanager
def quiet() -> Iterator[None]:
    """Send what a plug-in prints to standard error, and undo the filters of warnings it sets."""
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        yield


@contextmanager
def _explained(label: str) -> Iterator[None]:
    """Turn whatever importing raises into an Unusable with one line."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        raise Unusable(f"{label} has a syntax error in line {error.lineno}: {error.msg}") from error
    except BaseException as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name
        if missing and (label == missing or label.startswith(f"{missing}.")):
            raise Unusable(f"no module named {missing!r}") from error
        lines = str(error).splitlines() or [""]
        raise Unusable(f"{label} fails to import: {type(error).__name__}: {lines[0]}") from error


def digest(source: Source) -> str:
    """The digest of all code that the source's module depends on, in hexadecimal."""
    return code_digest((), [module_of(source)], with_data=False)


@cache
def code_of(source: Source) -> str:
    """Return the digest of the code that this process has loaded."""
    return digest(source)
