"""Where a value's code and data are: modules of its classes and functions, and files it names."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from pathlib import Path, PurePath
from types import FunctionType, MethodType, ModuleType

from gradpareto.systems.data_files import named_files

KEPT = type(cache(lambda: None))
"""The type of a function whose results are kept."""
_CONTAINERS = (tuple, list, set, frozenset)
_NAMES = (str, PurePath)


def modules_of(value: object) -> Iterator[ModuleType]:
    """The modules of a value's class, of its base classes, and of what the value holds.

    Raises TypeError if a class or a function is in no module that came from a file.
    """
    for one in _held(value):
        if isinstance(one, FunctionType):
            yield _module(one)
        else:
            kind = one if isinstance(one, type) else type(one)
            yield from (_module(base) for base in kind.__mro__)


def declared_files(value: object) -> Iterator[Path]:
    """The files that the classes of a value declare in `data_files`, relative to their module's.

    A folder stands for all files in it. Raises ValueError if there is no such file.
    """
    for one in _held(value):
        for kind in type(one).__mro__:
            declared = vars(kind).get("data_files", ())
            for named in [declared] if isinstance(declared, _NAMES) else declared:
                path = _folder(kind) / Path(named).expanduser()
                if not path.exists():
                    raise ValueError(f"data_files of {kind.__name__} names {path}: no such file")
                inside = sorted(path.rglob("*")) if path.is_dir() else [path]
                yield from (file.resolve() for file in inside if file.is_file())


def named_in_fields(value: object) -> Iterator[Path]:
    """The files that texts and paths in the fields of a value name."""
    for owner in _held(value):
        if is_dataclass(owner) and not isinstance(owner, type):
            held = [part for field in fields(owner) for part in _held(getattr(owner, field.name))]
            texts = [str(part) for part in held if isinstance(part, _NAMES)]
            if texts:
                yield from named_files(texts, _folder(type(owner)))


def _held(value: object) -> Iterator[object]:
    """The value, and the values in its fields and items."""
    if isinstance(value, MethodType):
        yield from _held(value.__func__)
        yield from _held(value.__self__)
    elif isinstance(value, KEPT):
        yield from _held(value.__wrapped__)
    elif isinstance(value, partial):
        yield from _held((value.func, value.args, value.keywords))
    elif isinstance(value, Mapping):
        yield from _held(tuple(value.values()))
    elif isinstance(value, _CONTAINERS):
        for item in value:
            yield from _held(item)
    else:
        yield value
        if is_dataclass(value) and not isinstance(value, type):
            for field in fields(value):
                yield from _held(getattr(value, field.name, None))


def _module(value: type | FunctionType) -> ModuleType:
    module = sys.modules.get(value.__module__)
    top = value.__module__.partition(".")[0]
    if module is None or (
        getattr(module, "__file__", None) is None and top not in sys.stdlib_module_names
    ):
        raise TypeError(f"the source of {value.__qualname__} is in no file: put it into one")
    return module


def _folder(kind: type) -> Path:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()
