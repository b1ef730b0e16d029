"""A forged reference in the cache is refused in one line, before anything is measured."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradpareto.reference import Reference, TamperedCache, cache_key, load_or_certify
from gradpareto.reference import cache as cache_module
from gradpareto.systems import LQR, Array, Policy, Problem
from tests.faults.injection import Forker, refused_in_one_line

_I = np.eye(2)
POLICY = Policy((2, 2), ("identity",))
PROBLEM = Problem(LQR(_I, _I, _I, _I, _I, 0.5), POLICY, np.zeros(POLICY.size), 0.5)
X0 = np.array([[1.0, 0.5], [0.2, -0.3]])
REFERENCE = ["reference", "lqr", "--theta", "optimal", "--samples", "2"]
SWEEP = ["sweep", "--system", "lqr", "--theta", "optimal", "--estimator", "ctpg"]
VERBS = [REFERENCE, [*SWEEP, "--setting", "0.1", "--samples", "2"]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reference]:
    folder = tmp_path_factory.mktemp("kept")
    reference = load_or_certify(PROBLEM, X0, folder)
    (path,) = folder.iterdir()
    return path, reference


def arrays_of(path: Path) -> dict[str, Array]:
    with np.load(path) as file:
        return dict(file)


def forge(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays as the cache would, with a digest that belongs to them."""
    key, rest = cache_key(PROBLEM, X0), {k: v for k, v in arrays.items() if k != "digest"}
    digest = np.array(cache_module._content(key, rest)) if _describable(rest) else np.array("?")
    np.savez(path, allow_pickle=True, **(rest | {"digest": digest}))  # type: ignore[arg-type]


def _describable(arrays: dict[str, Any]) -> bool:
    return all(array.dtype.kind in "fiubU" for array in arrays.values())


OTHER_ARRAYS: list[Callable[[Array], Array]] = [
    lambda a: a[..., None],
    lambda a: a.ravel()[:-1],
    lambda a: np.concatenate([np.atleast_1d(a)] * 2),
    lambda a: a.astype("U9"),
    lambda a: a.astype(object),
    lambda a: a.astype("S3"),
    lambda a: np.full(a.shape, 1j),
    lambda a: np.zeros(a.shape, dtype="float16"),
    lambda a: np.zeros((0,)),
    lambda a: np.zeros(a.shape, dtype=[("a", float), ("b", int)]),
    lambda a: np.zeros(a.shape, dtype="datetime64[s]"),
]


def test_arrays_that_are_missing_or_others_are_refused(
    kept: tuple[Path, Reference], tmp_path: Path
) -> None:
    path, _ = kept
    sound, forged = arrays_of(path), tmp_path / path.name
    del sound["digest"]
    for name, array in sound.items():
        others = [other(array) for other in OTHER_ARRAYS]
        for other in others:
            if (other.dtype.kind, other.shape) == (array.dtype.kind, array.shape):
                continue  # another text
            forge(forged, sound | {name: other})
            with pytest.raises(TamperedCache):
                load_or_certify(PROBLEM, X0, tmp_path)
        forge(forged, {key: value for key, value in sound.items() if key != name})
        with pytest.raises(TamperedCache):
            load_or_certify(PROBLEM, X0, tmp_path)
    forge(forged, sound | {"refused": np.zeros(2, dtype="U9000000")})
    with pytest.raises(TamperedCache):
        load_or_certify(PROBLEM, X0, tmp_path)
    forge(forged, sound)
    load_or_certify(PROBLEM, X0, tmp_path)  # nobody can tell a forgery of the right form


def damaged(content: bytes, data: st.DataObject) -> bytes:
    """Change some bytes of a file, and perhaps cut it."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del changed[data.draw(st.integers(0, len(changed) - 1)) :]
    return bytes(changed)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_and_missing_bytes_are_refused_or_harmless(
    kept: tuple[Path, Reference], tmp_path: Path, data: st.DataObject
) -> None:
    path, reference = kept
    forged = tmp_path / path.name
    forged.write_bytes(damaged(path.read_bytes(), data))
    try:
        found = load_or_certify(PROBLEM, X0, tmp_path)
    except TamperedCache:
        return
    assert np.array_equal(found.gradient, reference.gradient)
    assert np.array_equal(found.uncertainty, reference.uncertainty)


def bomb(path: Path) -> None:
    """Write an archive of a few kB that claims, and unpacks to, 8 GB of numbers."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("loss", "grad_x0", "names"):
            head = io.BytesIO()
            described = {"descr": "<f8", "fortran_order": False, "shape": (10**9,)}
            np.lib.format.write_array_header_1_0(head, described)  # type: ignore[no-untyped-call]
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(head.getvalue())
                for _ in range(50):
                    member.write(bytes(10**6))


def folder_in_its_place(path: Path) -> None:
    path.mkdir()


def executable_pickle(path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(path.with_name("trapped")),)

    np.savez(path, allow_pickle=True, loss=np.array([Trap()], dtype=object))


FORGERIES = {
    "zip bomb": bomb,
    "named pipe": os.mkfifo,
    "folder": folder_in_its_place,
    "pickle": executable_pickle,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "empty": lambda path: path.touch(),
}


@pytest.fixture(scope="module")
def name(forking: Forker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file name of the reference that the verbs ask for."""
    folder = tmp_path_factory.mktemp("sound")
    sound = forking.run([*REFERENCE, "--cache", folder], folder)
    assert sound.status == 0, sound.said
    (path,) = folder.iterdir()
    return path.name


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("arguments", VERBS, ids=lambda arguments: arguments[0])
def test_what_is_no_reference_is_refused_by_each_verb(
    arguments: list[object], forgery: str, forking: Forker, name: str, tmp_path: Path
) -> None:
    forged = tmp_path / "forged" / name
    forged.parent.mkdir()
    FORGERIES[forgery](forged)
    out = ["--out", tmp_path / "run"] * (arguments[0] == "sweep")
    ended = forking.run([*arguments, *out, "--cache", forged.parent], tmp_path)
    refused_in_one_line(ended, str(forged))
    assert os.path.lexists(forged)
    assert not (forged.parent / "trapped").exists()
