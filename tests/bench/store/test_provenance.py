"""The provenance of a session: which changes of a checkout it calls dirty."""

import subprocess
from pathlib import Path

import pytest

from gradpareto.bench.store import provenance
from gradpareto.bench.store.provenance import CODE, session

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a file in each part of the code."""
    for part in CODE:
        path = tmp_path / part
        if path.suffix:
            path.write_text("")
        else:
            path.mkdir()
            (path / "one.py").write_text("")
    own = ("git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        subprocess.run([*own, *arguments], check=True)
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "dirty"),
    [
        ("runs/records.csv", False),
        ("notes.md", False),
        ("estimators/new.py", True),
        ("systems/one.py", True),
        ("pyproject.toml", True),
    ],
)
def test_a_session_is_dirty_if_its_code_is_not_that_of_the_commit(
    checkout: Path, path: str, dirty: bool
) -> None:
    assert session({})["dirty"] is False
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).write_text("changed")
    assert session({})["dirty"] is dirty


def test_every_part_of_the_code_is_there() -> None:
    assert all((ROOT / part).exists() for part in CODE)
