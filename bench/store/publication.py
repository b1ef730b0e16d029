"""Publishes a run: a copy without what only measuring needs, with large tables compressed."""

import gzip
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gradpareto.bench.store.checksums import NAME as CHECKSUMS
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import opened

MOST_PLAIN = 2**23
"""The most bytes of a table that are published as they are; more are compressed."""
WORKING = ("cells.sqlite*", ".*", "aside", "cells", "trainings", "*.npz")
"""The files and folders of a run that only measuring needs."""


def publish(run: RunFolder, out: Path, without: Sequence[str] = ()) -> RunFolder:
    """Copy a finished run to `out`, which appears as a whole or not at all.

    Files whose names match a pattern of `without`, such as "*.svg", are left out. Raises
    UnusableFolder if there is no run, if its files are not what it measured or published, or if
    there is something at `out`; OSError if it cannot be written.
    """
    run.require()
    if out.exists() or out.is_symlink():
        raise UnusableFolder(f"{out} exists: name another folder, or remove it first")
    with run.opened({}):
        if run.has_store:
            with run.cells() as store:
                run.publish(store)
        run.check_records()
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as place:
            copied = Path(place) / out.name
            leave_out = shutil.ignore_patterns(*WORKING, *without)
            shutil.copytree(run.path, copied, ignore=leave_out)
            published = RunFolder(copied)
            for plain in copied.glob("*.csv"):
                if plain.stat().st_size > MOST_PLAIN:
                    _compress(plain, plain.with_suffix(".csv.gz"))
            (copied / CHECKSUMS).unlink(missing_ok=True)
            published.write_checksums()
            copied.rename(out)
    return RunFolder(out)


def _compress(plain: Path, compressed: Path) -> None:
    """Put a compressed file in the place of a plain one. Equal contents give equal files."""
    with (
        opened(plain) as source,
        compressed.open("wb") as target,
        gzip.GzipFile("", "wb", fileobj=target, mtime=0) as packed,  # neither name nor time
    ):
        shutil.copyfileobj(source, packed)
    plain.unlink()
