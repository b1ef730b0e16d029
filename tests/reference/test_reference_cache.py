"""The cache of references: same numbers back, or a clear refusal."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradpareto.reference import Reference, TamperedCache, default_folder, load_or_certify
from gradpareto.reference import cache as cache_module
from gradpareto.reference.cache import cache_key
from gradpareto.systems import TASKS, Array, Problem

Case = tuple[Problem, Array]


def same(one: Reference, other: Reference) -> bool:
    pairs = [
        (one.loss, other.loss),
        (one.gradient, other.gradient),
        (one.uncertainty, other.uncertainty),
        (one.limit.vjps, other.limit.vjps),
        (one.limit.abs_error, other.limit.abs_error),
        *((one.disagreements[name], other.disagreements[name]) for name in one.disagreements),
    ]
    return all(np.array_equal(a, b) for a, b in pairs) and list(one.disagreements) == list(
        other.disagreements
    )


@pytest.fixture(scope="module")
def certified(small_lqr: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reference]:
    folder = tmp_path_factory.mktemp("certified")
    reference = load_or_certify(*small_lqr, folder)
    (path,) = folder.iterdir()
    return path, reference


@pytest.fixture
def cached(certified: tuple[Path, Reference], tmp_path: Path) -> tuple[Path, Reference]:
    """A cache of its own for each test, which may spoil it."""
    path, reference = certified
    (tmp_path / "new").mkdir()
    return Path(shutil.copy(path, tmp_path / "new")), reference


def test_round_trip_without_solving_again(
    small_lqr: Case, cached: tuple[Path, Reference], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, reference = cached
    monkeypatch.setattr(cache_module, "certify", None)
    assert same(load_or_certify(*small_lqr, path.parent), reference)


def test_no_changed_byte_goes_unnoticed(small_lqr: Case, cached: tuple[Path, Reference]) -> None:
    """A byte of the zip's own bookkeeping may be ignored; then the numbers are as they were."""
    path, reference = cached
    sound, refusals = path.read_bytes(), []
    for position in range(0, len(sound), 61):
        changed = bytearray(sound)
        changed[position] ^= 0x55
        path.write_bytes(changed)
        try:
            assert same(load_or_certify(*small_lqr, path.parent), reference)
        except TamperedCache as refusal:
            refusals.append(str(refusal))
        assert path.read_bytes() == bytes(changed)
    assert len(refusals) > 0.8 * len(sound) / 61
    assert set(refusals) == {f"the cached reference {path} is damaged or was changed: delete it"}


def test_a_consistent_forgery_is_refused(small_lqr: Case, cached: tuple[Path, Reference]) -> None:
    """A sound zip with other numbers in it passes the zip's own checksums."""
    path, _ = cached
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "uncertainty": arrays["uncertainty"] / 2})
    with pytest.raises(TamperedCache):
        load_or_certify(*small_lqr, path.parent)


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive"])
def test_unreadable_file_is_refused(
    small_lqr: Case, cached: tuple[Path, Reference], content: bytes
) -> None:
    path, _ = cached
    path.write_bytes(content)
    with pytest.raises(TamperedCache):
        load_or_certify(*small_lqr, path.parent)
    assert path.read_bytes() == content


def test_truncated_file_is_refused(small_lqr: Case, cached: tuple[Path, Reference]) -> None:
    path, _ = cached
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TamperedCache):
        load_or_certify(*small_lqr, path.parent)


def test_another_problems_file_is_refused(small_lqr: Case, cached: tuple[Path, Reference]) -> None:
    path, _ = cached
    problem, x0 = small_lqr
    path.rename(path.with_stem(cache_key(problem, 2 * x0)))
    with pytest.raises(TamperedCache):
        load_or_certify(problem, 2 * x0, path.parent)


def test_key_depends_on_everything(small_lqr: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, x0 = small_lqr
    policy = TASKS["lqr"].policy
    others = [
        (problem, x0 + 1e-16 * (x0 == x0[0, 0]) + np.spacing(x0)),
        (problem, x0[:1]),
        (problem.with_theta(np.nextafter(problem.theta, 9)), x0),
        (replace(problem, horizon=2.5), x0),
        (replace(problem, system=replace(problem.system, Q=2 * problem.system.Q)), x0),
        (replace(problem, policy=replace(policy, activations=("tanh",))), x0),
    ]
    keys = {cache_key(*case) for case in [small_lqr, *others]}
    assert len(keys) == 1 + len(others)
    assert cache_key(problem.with_theta(problem.theta.copy()), x0.copy()) in keys
    monkeypatch.setattr(cache_module, "code_digest", lambda *_: "other code")
    assert cache_key(problem, x0) not in keys


def test_a_reference_of_code_that_changes_meanwhile_is_not_kept(
    small_lqr: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be found later by the key of the other code."""
    codes = iter(["as loaded", "changed"])
    monkeypatch.setattr(cache_module, "code_digest", lambda *_: next(codes))
    load_or_certify(*small_lqr, tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    load_or_certify(*small_lqr, tmp_path, "another key")
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_nothing(
    small_lqr: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(cache_module.np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        load_or_certify(*small_lqr, tmp_path)
    assert not list(tmp_path.iterdir())


def test_folder_is_the_users_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADPARETO_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("GRADPARETO_CACHE")
    assert default_folder().parts[-2:] == ("gradpareto", "references")
