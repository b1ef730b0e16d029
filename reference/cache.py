"""References on disk, named by a hash of all that they depend on, and verified when read."""

import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import scipy

from gradpareto.array_file import Shape, opened_arrays
from gradpareto.reference.certificate import Reference
from gradpareto.reference.certification import certify
from gradpareto.reference.limit import MAX_VJPS, QuadratureLimit
from gradpareto.systems import Array, Problem
from gradpareto.systems.code_digest import code_digest
from gradpareto.systems.description import describe
from gradpareto.whole_file import write_whole

_DIGEST = "digest"
_CERTIFYING = certify.__module__


class TamperedCache(ValueError):  # noqa: N818
    """A cached reference is not what was written; its file is left as it is."""


def default_folder() -> Path:
    """Return the user's cache of references, or the folder that GRADPARETO_CACHE names."""
    chosen = os.environ.get("GRADPARETO_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("gradpareto"), "references")


def load_or_certify(
    problem: Problem, x0: Array, folder: Path, expected: str | None = None
) -> Reference:
    """Read the reference of x0 (B, state_dim) from `folder`, or certify it now and keep it there.

    `expected` is the cache key when the code was loaded, if that was earlier. Where the code or its
    data has changed on disk meanwhile, the reference is certified and not kept: it would have the
    key of other code. Raises what `certify` and `cache_key` raise, OSError, before anything is
    solved, if the folder cannot be written, and TamperedCache if the file is not what was written.
    """
    x0 = problem.check_x0(x0)
    key = cache_key(problem, x0)
    if expected not in (None, key):
        return certify(problem, x0)
    held = load(problem, x0, folder, key)
    if held is None:
        held = certify(problem, x0)
        keep(problem, x0, folder, key, held)
    return held


def load(problem: Problem, x0: Array, folder: Path, key: str) -> Reference | None:
    """Read the reference of x0 (B, state_dim) that has a cache key from `folder`, if it is there.

    Where it is not, it is made sure that it can be written: raises OSError if it cannot, and
    TamperedCache if the file is not what was written.
    """
    path = folder / f"{key}.npz"
    if path.exists():
        return _read(path, key, problem, x0)
    _check_room(folder, problem, x0)
    return None


def keep(problem: Problem, x0: Array, folder: Path, key: str, reference: Reference) -> None:
    """Write a reference that was certified to `folder`.

    `key` is the cache key from before it was. If the code or its data has changed since, it is not
    kept, for it might be of other code. Raises OSError.
    """
    if cache_key(problem, x0) == key:
        _write(folder / f"{key}.npz", key, reference)


def cache_key(problem: Problem, x0: Array) -> str:
    """Hash all that a reference depends on (SHA-256, in hexadecimal).

    This is the problem and x0 by their values, the code of the system, of the policy and of
    `certify`, as `code_digest` finds it, and the versions of NumPy and SciPy. Raises TypeError if
    the system holds a value of an unknown type or is in no file, and ValueError if a file in its
    `data_files` is missing.
    """
    problem = problem.exact
    system, policy, context = problem.system, problem.policy, problem.context
    versions = f"numpy {np.__version__} scipy {scipy.__version__}"
    code = code_digest([system, policy, type(problem)], [sys.modules[_CERTIFYING]])
    parts = (system, policy, problem.segments, problem.theta, x0, context)
    return _digest(text.encode() for text in (versions, code, *map(describe, parts)))


def _check_room(folder: Path, problem: Problem, x0: Array) -> None:
    """Write as much as a reference of x0 takes, and delete it. Raises OSError if that fails."""
    numbers = x0.size + len(x0) * (problem.policy.size + MAX_VJPS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2 * numbers * 8))
    except OSError as error:
        raise OSError(f"references cannot be kept in {folder}: {error.strerror}") from error


def _write(path: Path, key: str, reference: Reference) -> None:
    """Write a reference with the digest of its content."""
    samples = len(reference.loss)
    arrays: dict[str, Any] = {
        "loss": reference.loss,
        "grad_x0": reference.grad_x0,
        "grad_theta": reference.grad_theta,
        "uncertainty": reference.uncertainty,
        "names": np.array(list(reference.disagreements), dtype=str),
        "disagreements": np.array(list(reference.disagreements.values())).reshape(-1, samples),
        "refused": np.array(reference.refused),
        "untested": np.array(reference.untested),
        "zero": reference.zero,
        "resolution": np.array(reference.resolution),
        "limit_vjps": reference.limit.vjps,
        "limit_abs_error": reference.limit.abs_error,
    }
    arrays[_DIGEST] = np.array(_content(key, arrays))
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_whole(path, content.getvalue())


def _read(path: Path, key: str, problem: Problem, x0: Array) -> Reference:
    """Read the reference of x0. Raises TamperedCache if the file is not what was written."""
    samples, dimension = x0.shape
    shapes: dict[str, tuple[type, Shape]] = {
        "loss": (float, (samples,)),
        "grad_x0": (float, (samples, dimension)),
        "grad_theta": (float, (samples, problem.policy.size)),
        "uncertainty": (float, (samples,)),
        "names": (str, (None,)),
        "disagreements": (float, (None, samples)),
        "refused": (str, (samples,)),
        "untested": (str, (samples,)),
        "zero": (bool, (samples,)),
        "resolution": (float, ()),
        "limit_vjps": (int, (MAX_VJPS,)),
        "limit_abs_error": (float, (samples, MAX_VJPS)),
    }
    try:
        with opened_arrays(path) as read:
            arrays = {name: read(name, *expected) for name, expected in shapes.items()}
            sound = str(read(_DIGEST, str, ())) == _content(key, arrays)
        names = arrays["names"].tolist()
        disagreements = dict(zip(names, arrays["disagreements"], strict=True))
    except Exception:  # A changed byte may fail anywhere: in zipfile, zlib, the header's parser.
        sound = False
    if not sound:
        raise TamperedCache(f"the cached reference {path} is damaged or was changed: delete it")
    return Reference(
        loss=arrays["loss"],
        grad_x0=arrays["grad_x0"],
        grad_theta=arrays["grad_theta"],
        uncertainty=arrays["uncertainty"],
        disagreements=disagreements,
        limit=QuadratureLimit(arrays["limit_vjps"], arrays["limit_abs_error"]),
        refused=tuple(arrays["refused"].tolist()),
        untested=tuple(arrays["untested"].tolist()),
        zero=arrays["zero"],
        resolution=float(arrays["resolution"]),
    )


def _content(key: str, arrays: Mapping[str, Array]) -> str:
    """Hash the arrays with their names, dtypes and shapes, and the key that they belong to."""
    described = (f"{name} {describe(arrays[name])}" for name in sorted(arrays))
    return _digest(text.encode() for text in (key, *described))


def _digest(parts: Iterable[bytes]) -> str:
    """Hash the parts, each with its length so that they cannot run into each other (SHA-256)."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()
