"""Initial states from a file that a user names."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from gradpareto.systems import Array
from gradpareto.systems.problem import real_numbers
from gradpareto.whole_file import read_bounded

MOST_BYTES = 2**28
"""The most bytes of such a file."""


def load_x0(path: Path) -> Array:
    """Load initial states from .npy or comma-separated text.

    Raises ValueError if the file is neither, is no regular file, or holds anything but real
    numbers.
    """
    try:
        content = read_bounded(path, MOST_BYTES)
        return _array(content) if path.suffix == ".npy" else _table(content)
    except OSError as error:
        told = error.strerror
    except MemoryError:  # the file itself is small
        told = "it is cut short"
    except (ValueError, UserWarning) as error:
        told = str(error)
    raise ValueError(f"cannot read initial states from {path}: {told}")


def _array(content: bytes) -> Array:
    """Read the bytes of a .npy file, and nothing that it says to execute."""
    return real_numbers(npy.read_array(io.BytesIO(content), allow_pickle=False))  # type: ignore[no-untyped-call, unused-ignore]


def _table(content: bytes) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a file without numbers
        return np.loadtxt(io.StringIO(content.decode("utf-8-sig")), delimiter=",", ndmin=2)
