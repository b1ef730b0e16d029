"""The checksums of a published run, which `sha256sum -c SHA256SUMS` checks as well."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import opened, read_bounded, write_whole

NAME = "SHA256SUMS"
MOST_BYTES = 2**24
_LINE = re.compile(r"([0-9a-f]{64})[ ][ *](.+)")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file. Raises OSError if it is no regular file that can be read."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path, digests: Mapping[Path, str]) -> None:
    """Write the checksums of files in a folder, if they are not what is written there already.

    Raises OSError if they cannot be written.
    """
    files = digests.items()
    content = "".join(f"{found}  {path.relative_to(folder).as_posix()}\n" for path, found in files)
    try:
        held = read_bounded(folder / NAME, MOST_BYTES)
    except OSError:
        held = b""
    if held != content.encode():
        write_whole(folder / NAME, content)


def check_file(folder: Path, path: Path) -> None:
    """Raise UnusableFolder if a file is not what the checksums of its folder say."""
    listed, name = _read(folder), path.relative_to(folder).as_posix()
    try:
        right = digest(path) == listed.get(name)
    except OSError as error:
        raise UnusableFolder(f"cannot read {path}: {error.strerror}") from error
    if not right:
        found = "differs from its checksum" if name in listed else "has no checksum"
        raise UnusableFolder(
            f"{path} {found} in {folder / NAME}: it was changed after it was published"
        )


def _read(folder: Path) -> dict[str, str]:
    path = folder / NAME
    try:
        lines = read_bounded(path, MOST_BYTES).decode().splitlines()
    except OSError as error:
        raise UnusableFolder(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UnusableFolder(f"{path} is damaged: name another folder") from error
    found = [_LINE.fullmatch(line) for line in lines]
    if not all(found):
        raise UnusableFolder(f"{path} is damaged: name another folder")
    return {match[2]: match[1] for match in found if match}
