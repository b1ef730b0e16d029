"""The cache of references: folders that cannot be written, kills, and two writers at once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradpareto.reference import cache as cache_module
from gradpareto.reference import load_or_certify
from tests.faults.injection import HERE, KILLED, Forker, names_in, refused_in_one_line, small_disk
from tests.faults.test_forged_references import PROBLEM, REFERENCE, VERBS, X0


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 8192) as disk:
        (disk / "rest").write_bytes(bytes(4096))
        yield disk


def test_a_folder_that_cannot_be_written_is_noticed_before_anything_is_solved(
    tmp_path: Path, full_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "certify", None)
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none"), full_disk):
        with pytest.raises(OSError, match=f"references cannot be kept in {folder}: "):
            load_or_certify(PROBLEM, X0, folder)


@pytest.mark.parametrize("arguments", VERBS, ids=lambda arguments: arguments[0])
def test_every_verb_says_so_in_one_line(
    arguments: list[object], forking: Forker, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    out = ["--out", tmp_path / "run"] * (arguments[0] == "sweep")
    ended = forking.run([*arguments, *out, "--cache", tmp_path / "file"], tmp_path)
    refused_in_one_line(ended, f"references cannot be kept in {tmp_path / 'file'}: ")


def test_a_kill_at_any_moment_leaves_a_cache_that_serves(forking: Forker, tmp_path: Path) -> None:
    folder, moment = tmp_path / "cache", 1
    whole = forking.run([*REFERENCE, "--cache", tmp_path / "whole"], tmp_path / "whole")
    assert whole.moments is not None
    for moment in range(1, whole.moments + 1):
        killed = forking.run([*REFERENCE, "--cache", folder], folder, moment)
        assert killed.status == KILLED, killed.said
        again = forking.run([*REFERENCE, "--cache", folder], folder)
        assert (again.status, again.said) == (0, whole.said)
        assert names_in(folder) == names_in(tmp_path / "whole"), f"after moment {moment}"
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_a_disk_that_is_full_from_any_moment_leaves_nothing(
    forking: Forker, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    whole = forking.run([*REFERENCE, "--cache", tmp_path / "whole"], tmp_path / "whole")
    assert whole.moments is not None
    for moment in range(1, whole.moments + 1):
        ended = forking.run([*REFERENCE, "--cache", folder], folder, moment, full=True)
        if ended.status:
            refused_in_one_line(ended, "No space left on device")
            assert not folder.exists() or names_in(folder) == [], f"from moment {moment}"
        else:
            assert ended.said == whole.said
            assert names_in(folder) == names_in(tmp_path / "whole")
            next(folder.iterdir()).unlink()
        if folder.exists():
            folder.rmdir()


def test_two_that_certify_at_once_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gradpareto", *map(str, REFERENCE), "--cache", str(tmp_path)]
    both = [
        subprocess.Popen(command, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] != ""
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
