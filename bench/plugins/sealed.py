"""Closes, in a process that runs code from outside, what judges that code."""

import os
import re
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import gradpareto.systems

CLOSED = (
    "gradpareto.reference",
    "gradpareto.bench.run.measure",
    "gradpareto.bench.run.sweep",
)
"""Modules in whose place stand empty ones, so that a plug-in's file may still import them."""
PATHS = {"open", "os.link", "os.symlink", "os.rename", "os.listdir", "os.scandir"}
"""Events whose first argument is a path."""
STARTS = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
    "subprocess.Popen",
}
"""Events that start another process."""
_MEMORY = re.compile(r"/proc/(\d+)/")


class _Closed(ModuleType):
    """A module whose names are all there and can all not be used."""

    __path__ = []  # noqa: RUF012 (as a package has it)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(f"{self.__name__}.{name} is closed to what is measured")

        return type(name, (), {"__new__": refuse})


class _Closing:
    """Finds such a module in the place of each that is inside of the CLOSED ones."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        inside = name.startswith(tuple(f"{closed}." for closed in CLOSED))
        return ModuleSpec(name, self) if inside else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Closed(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


class Seal:
    """The rules for code from outside in this process; what they forbid raises PermissionError.

    It cannot open the folder of references or the memory of another process, nor load the systems
    or the references once more, beside those whose calls are counted. While it is `measured` it
    starts no process, since what is evaluated there would not be counted. None of this stops
    somebody who takes the interpreter apart: `results/rules.md` says what still passes.
    """

    def __init__(self, references: Path) -> None:
        self.measured = False
        self._references = _inside(references)
        suite = Path(gradpareto.systems.__path__[0]).resolve().parent
        self._loaded_once = tuple(_inside(suite / name) for name in ("systems", "reference"))
        rules: dict[str, Callable[[Any], None]] = dict.fromkeys(PATHS, self._on_path)
        rules |= dict.fromkeys(STARTS, self._on_start) | {"exec": self._on_code}

        def hook(event: str, given: tuple[Any, ...]) -> None:
            if event in rules:
                rules[event](given[0] if given else None)

        sys.modules.update({name: _Closed(name) for name in CLOSED})
        sys.meta_path.insert(0, _Closing())
        os.environ.pop("GRADPARETO_CACHE", None)
        sys.addaudithook(hook)  # it stays, whatever is done in this process

    def _on_path(self, path: Any) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        real = os.path.realpath(os.fsdecode(path)) + os.sep
        if real.startswith(self._references):
            raise PermissionError("the references are closed to what is measured")
        process = _MEMORY.match(real)
        if process and int(process[1]) != os.getpid():
            raise PermissionError("other processes are closed to what is measured")

    def _on_start(self, _: Any) -> None:
        if self.measured:
            raise PermissionError("what is measured starts no process, whose calls nobody counts")

    def _on_code(self, code: Any) -> None:
        module = isinstance(code, CodeType) and code.co_name == "<module>"
        if module and os.path.realpath(code.co_filename).startswith(self._loaded_once):
            raise PermissionError(
                f"{Path(code.co_filename).name} is loaded once, so that its calls are counted"
            )


def _inside(folder: Path) -> str:
    return os.path.realpath(folder) + os.sep
