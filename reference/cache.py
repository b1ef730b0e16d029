"""References on disk, named by a hash of all that they depend on, and verified when read."""

import hashlib
import inspect
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import scipy

from gradpareto.reference.certificate import Reference, certify
from gradpareto.reference.limit import QuadratureLimit
from gradpareto.systems import Array, Problem

_DIGEST = "digest"


class TamperedCache(ValueError):  # noqa: N818
    """A cached reference is not what was written; its file is left as it is."""


def default_folder() -> Path:
    """Return the user's cache of references, or the folder that GRADPARETO_CACHE names."""
    chosen = os.environ.get("GRADPARETO_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("gradpareto"), "references")


def load_or_certify(problem: Problem, x0: Array, folder: Path) -> Reference:
    """Read the reference of x0 (B, state_dim) from `folder`, or certify it now and keep it there.

    Raises what `certify` raises, OSError if the folder cannot be written, TypeError if the system
    cannot be hashed, and TamperedCache if the file is not what was written.
    """
    x0 = problem.check_x0(x0)
    key = cache_key(problem, x0)
    path = folder / f"{key}.npz"
    if path.exists():
        return _read(path, key)
    reference = certify(problem, x0)
    _write(path, key, reference)
    return reference


def cache_key(problem: Problem, x0: Array) -> str:
    """Hash the problem, x0, the sources that make a reference, and versions (SHA-256, in hex)."""
    problem = problem.exact
    system, policy, context = problem.system, problem.policy, problem.context
    versions = f"numpy {np.__version__} scipy {scipy.__version__}"
    shape = (policy.sizes, policy.activations, problem.segments)
    described = [
        versions,
        *(_describe(part) for part in (system, shape, problem.theta, x0, context)),
    ]
    # A system registered from elsewhere depends on a source of its own.
    own = Path(inspect.getfile(type(system))).read_bytes()
    return _digest([own, _source_digest(), *(text.encode() for text in described)])


def _write(path: Path, key: str, reference: Reference) -> None:
    """Write a reference, under a temporary name first, so that no reader ever sees half a file."""
    arrays: dict[str, Any] = {
        "loss": reference.loss,
        "grad_x0": reference.grad_x0,
        "grad_theta": reference.grad_theta,
        "uncertainty": reference.uncertainty,
        "names": np.array(list(reference.disagreements)),
        "disagreements": np.array(list(reference.disagreements.values())),
        "limit_vjps": reference.limit.vjps,
        "limit_abs_error": reference.limit.abs_error,
    }
    arrays[_DIGEST] = np.array(_content(key, arrays))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(path: Path, key: str) -> Reference:
    """Read a reference. Raises TamperedCache if the file is not what was written."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        sound = str(arrays.pop(_DIGEST)) == _content(key, arrays)
    except Exception:  # A changed byte may fail anywhere: in zipfile, zlib, the header's parser.
        sound = False
    if not sound:
        raise TamperedCache(f"the cached reference {path} is damaged or was changed: delete it")
    return Reference(
        loss=arrays["loss"],
        grad_x0=arrays["grad_x0"],
        grad_theta=arrays["grad_theta"],
        uncertainty=arrays["uncertainty"],
        disagreements=dict(zip(arrays["names"].tolist(), arrays["disagreements"], strict=True)),
        limit=QuadratureLimit(arrays["limit_vjps"], arrays["limit_abs_error"]),
    )


def _content(key: str, arrays: Mapping[str, Array]) -> str:
    """Hash the arrays with their names, dtypes and shapes, and the key that they belong to."""
    described = (f"{name} {_describe(arrays[name])}" for name in sorted(arrays))
    return _digest(text.encode() for text in (key, *described))


@cache
def _source_digest() -> bytes:
    """Hash every source file of systems/ and reference/."""
    root = Path(__file__).resolve().parents[1]
    files = sorted([*root.glob("systems/**/*.py"), *root.glob("reference/**/*.py")])
    names = (file.relative_to(root).as_posix().encode() for file in files)
    contents = (file.read_bytes() for file in files)
    return _digest(part for pair in zip(names, contents, strict=True) for part in pair).encode()


def _describe(value: object) -> str:
    """Return a text that differs whenever the value does. Raises TypeError on unknown types."""
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array {value.dtype.str} {value.shape} {content}"
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        inside = (f"{f.name}={_describe(getattr(value, f.name))}" for f in fields(value))
        return f"{kind.__module__}.{kind.__qualname__}({', '.join(inside)})"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(_describe(item) for item in value)})"
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return repr(value)
    raise TypeError(f"cannot tell one {type(value).__name__} from another: make it a dataclass")


def _digest(parts: Iterable[bytes]) -> str:
    """Hash the parts, each with its length so that they cannot run into each other (SHA-256)."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()
