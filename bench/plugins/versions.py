"""Keeps a folder's results of one version of the code apart from those of its older versions.

The provenance of a folder notes, under `code`, the digest of the code of each estimator and of each
problem (or system) that was measured in it. Results whose code has another digest now are moved to
the folder `aside`, where they stay. What was measured before its code was noted is kept.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gradpareto.bench.store.file_names import file_stem, inside
from gradpareto.bench.store.records import RunFolder
from gradpareto.whole_file import write_whole


@dataclass(frozen=True)
class Part:
    """One kind of code that results depend on, and the part of the provenance that notes it.

    `code_of` gives the digest of a name's code now, or None if the name is not registered or its
    code is in no file. `set_aside` moves what is measured under a name to a folder, and returns how
    many results these are; where it is cut off, nothing is lost, and it can be called again.
    """

    kind: str
    code_of: Callable[[str], str | None]
    set_aside: Callable[[str, Path], int]

    def noted(self, folder: RunFolder) -> dict[str, str]:
        """The digests that a folder notes, by name."""
        return dict(folder.provenance().get("code", {}).get(self.kind, {}))

    def is_older(self, name: str, digest: str) -> bool:
        now = self.code_of(name)
        return now is not None and now != digest


def set_aside_older(folder: RunFolder, parts: Iterable[Part], gone: Iterable[str]) -> None:
    """Move the results of code that has changed, or under a name that is `gone`, to `aside`.

    How many were moved is said on standard error.
    """
    stale = [
        (part, name, digest)
        for part in parts
        for name, digest in part.noted(folder).items()
        if name in set(gone) or part.is_older(name, digest)
    ]
    moved = sum(_set_aside(folder, *one) for one in stale)
    # Last, so that what was interrupted is done again.
    for part, name, _ in stale:
        _note(folder, part.kind, {name: None})
    if moved:
        told = f"{moved} results of older code were moved to {folder.path / 'aside'}"
        print(told, file=sys.stderr)


def _set_aside(folder: RunFolder, part: Part, name: str, digest: str) -> int:
    """Move a name's results to `aside/`, with a note of the code that they come from."""
    aside = inside(folder.path, "aside", f"{file_stem(name)}-{file_stem(digest[:12])}")
    moved = part.set_aside(name, aside)
    if moved:
        note = {part.kind: name, "digest": digest}
        write_whole(aside / "code.json", json.dumps(note, indent=2) + "\n")
    return moved


def move_files(files: Iterable[Path], folder: Path, aside: Path) -> int:
    """Move files of a folder to the same places in another, beside what is there; return how many.

    Each is moved at once. A file of the same content that is there already is not kept twice.
    """
    moved = list(files)
    for path in moved:
        there = aside / path.relative_to(folder)
        there.parent.mkdir(parents=True, exist_ok=True)
        place, copies = there, 1
        while place.exists() and place.read_bytes() != path.read_bytes():
            copies += 1
            place = there.with_name(f"{there.stem}-{copies}{there.suffix}")
        path.replace(place)
    return len(moved)


def note_code(
    folder: RunFolder, parts: Iterable[Part], measured: Mapping[str, Iterable[str]]
) -> None:
    """Note the code of the names that are about to be measured, which are given by kind."""
    for part in parts:
        _note(folder, part.kind, {name: part.code_of(name) for name in measured[part.kind]})


def say_what_is_not_known(
    folder: RunFolder, parts: Iterable[Part], present: Mapping[str, Iterable[str]]
) -> None:
    """Say in a line on standard error which results are of code that was not noted, if any are."""
    noted = folder.provenance().get("code", {})
    names = [
        name
        for part in parts
        for name in present[part.kind]
        if name not in noted.get(part.kind, {})
    ]
    if names:
        shown = ", ".join(names[:3]) + f" and {len(names) - 3} more" * (len(names) > 3)
        print(
            f"{folder.path} does not say with which code it measured {shown}: what it has is kept",
            file=sys.stderr,
        )


def _note(folder: RunFolder, kind: str, digests: Mapping[str, str | None]) -> None:
    """Write digests into the provenance; None takes a name out of it."""
    provenance = folder.provenance()
    code = provenance.get("code", {})
    held = code.get(kind, {}) | digests
    new = code | {kind: {name: held[name] for name in sorted(held) if held[name] is not None}}
    if digests and new != code:
        folder.write_provenance(provenance | {"code": new})
