"""The folder of a report: written beside its place, then renamed, and replaced only if it is one.

A report's folder has MARK, and `SHA256SUMS` with all that belongs to it. Only a folder whose files
are exactly those is replaced, so nothing is ever deleted that this program did not make.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gradpareto.bench.store.checksums import NAME as CHECKSUMS
from gradpareto.bench.store.checksums import check_file, digest, write_checksums
from gradpareto.bench.store.unusable import UnusableFolder

MARK = "made-by-gradpareto-report.txt"
MARKED = b"This folder was made by gradpareto report, which replaces it when it is run again.\n"


def write_report(out: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write files, by their paths in the folder `out`, which appears as a whole or not at all.

    Returns their number. Raises UnusableFolder as `demand_free` does, and OSError.
    """
    demand_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as place:
        made, earlier = Path(place) / "made", Path(place) / "earlier"
        made.mkdir()
        digests = {}
        for path, content in [(MARK, MARKED), *files]:
            written = made / path
            written.parent.mkdir(exist_ok=True)
            written.write_bytes(content)
            digests[written] = digest(written)
        write_checksums(made, digests)
        demand_free(out)  # it may have changed meanwhile
        if out.exists():
            out.rename(earlier)
        try:
            made.rename(out)
        except OSError:
            if earlier.exists():
                earlier.rename(out)
            raise
    return len(digests) + 1


def demand_free(out: Path) -> None:
    """Raise UnusableFolder unless `out` is new, an empty folder, or an unchanged earlier report."""
    if out.is_symlink() or (os.path.lexists(out) and not out.is_dir()):
        raise UnusableFolder(f"{out} is no folder: name another with --out")
    if not out.is_dir() or not any(out.iterdir()):
        return
    listed = out / CHECKSUMS
    if not (out / MARK).is_file() or not listed.is_file():
        raise UnusableFolder(
            f"{out} is not empty and no earlier report: name another folder with --out"
        )
    for path in out.rglob("*"):
        if path == listed or (path.is_dir() and not path.is_symlink()):
            continue
        try:
            check_file(out, path)
        except UnusableFolder:
            told = f"{path} is not what the earlier report had there"
            raise UnusableFolder(f"{told}: move it, or name another folder with --out") from None
