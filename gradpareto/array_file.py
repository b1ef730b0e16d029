"""Reads arrays from .npz files: only those of the expected types and shapes, and no pickles."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib import format as npy

from gradpareto.whole_file import opened

MOST_BYTES = 2**26
"""The most bytes of an array whose size is not known before it is read: of texts, for example."""

Shape = tuple[int | None, ...]
"""The expected lengths of an array's axes; None stands for any length."""


class Read(Protocol):
    """Reads one array; see `opened_arrays`."""

    def __call__(self, name: str, kind: type, shape: Shape) -> Any: ...


@contextmanager
def opened_arrays(path: Path) -> Iterator[Read]:
    """Open an .npz file, and give a function that reads the array of a name, a type and a shape.

    An array of another type or shape is refused before it is read, so that no file takes more
    memory than what it should hold. What is damaged may raise any Exception.
    """
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        yield partial(_read, archive)


def _read(archive: zipfile.ZipFile, name: str, kind: type, shape: Shape) -> Any:
    with archive.open(f"{name}.npy") as member:
        if npy.read_magic(member) != (1, 0):  # type: ignore[no-untyped-call, unused-ignore]
            raise ValueError(f"{name} is of another version")
        found, _, dtype = npy.read_array_header_1_0(member)  # type: ignore[no-untyped-call, unused-ignore]
        fits = len(found) == len(shape) and all(
            n in (None, m) for n, m in zip(shape, found, strict=True)
        )
        alike = dtype.kind == "U" if kind is str else dtype == np.dtype(kind)
        known = kind is not str and None not in shape
        size = dtype.itemsize * math.prod(found)
        if not fits or not alike or not (known or 0 <= size <= MOST_BYTES):
            raise ValueError(f"{name} is {dtype} {found}")
        member.seek(0)
        array = npy.read_array(member, allow_pickle=False)  # type: ignore[no-untyped-call, unused-ignore]
        if member.read(1):  # which also compares the checksum
            raise ValueError(f"{name} has bytes behind its end")
        return array
