"""The files that string constants name."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_PATTERN = re.compile(r"\*.*\.\w+$")
"""A pattern for files of one kind; one for files of any kind would find what nobody means."""
_DEEPEST = 4
"""The number of folders, one in another, that constants may name on the way to a file."""


def named_files(texts: Iterable[str], folder: Path) -> list[Path]:
    """Return the files that texts name, in order.

    A text names a file by its absolute path, from `folder` or one of the two above it, from the
    current folder, or from a folder that another of the texts names in such a way. Its last part
    may be a pattern with * and an extension.
    """
    words = sorted({text for text in texts if text.strip("./ ") and "\0" not in text})
    folders = _folders(words, list(dict.fromkeys((folder, *folder.parents[:2], Path.cwd()))))
    found = {path.resolve() for word in words for path in _matches(word, folders)}
    return sorted(found)


def _folders(words: list[str], starts: list[Path]) -> list[Path]:
    """The starts, and the folders that words name from them, one in another."""
    found, new = list(starts), list(starts)
    for _ in range(_DEEPEST):
        inside = [path for start in new for word in words if _is_dir(path := _at(start, word))]
        new = [path for path in dict.fromkeys(inside) if path not in found]
        found += new
    return found


def _matches(word: str, folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        path = _at(folder, word)
        if _is_file(path):
            yield path
        elif _PATTERN.search(path.name) and _is_dir(path.parent):
            yield from filter(_is_file, path.parent.glob(path.name))


def _at(folder: Path, word: str) -> Path:
    return folder / (Path(word).expanduser() if word.startswith("~/") else word)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is too long, or its folder may not be looked into
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
