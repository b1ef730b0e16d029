"""The arrows between the folders, and how large a module may grow."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gradpareto.systems import OPTIONAL

ROOT = Path(__file__).parent.parent
FOLDERS = ("systems", "estimators", "reference", "bench")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MOST_LINES = 300
MOST_BYTES = 60 * 10**6
MOST_LINES_OF_A_FUNCTION = 40
SAYS_NOTHING = re.compile(r"^_?(util|helper|manager|misc|common)", re.IGNORECASE)


def imported(path: Path) -> set[str]:
    """Top-level names of what a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports relatively"
            names.add((node.module or "").split(".")[0])
    return names


IMPORTED_AS = {"adjusttext": "adjustText", "pillow": "PIL"}
"""The names by which distributions are imported, where they are not their own."""


def declared() -> set[str]:
    """Import names of the run-time dependencies."""
    return {IMPORTED_AS.get(name, name) for name in names_of(PROJECT["dependencies"])}


def names_of(requirements: list[str]) -> set[str]:
    found = (re.match(r"[\w.-]+", line) for line in requirements)
    return {match[0].lower().replace("-", "_") for match in found if match}


every_module = pytest.mark.parametrize(
    "path", MODULES, ids=[path.relative_to(ROOT).as_posix() for path in MODULES]
)


def test_imports_follow_the_arrows() -> None:
    """The arrows between folders are the contracts in pyproject.toml."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@every_module
def test_third_parties_are_declared(path: Path) -> None:
    others = imported(path) - {"gradpareto"} - set(sys.stdlib_module_names)
    simulator = OPTIONAL.get(path.stem)
    extra = {simulator} if simulator else set()
    if path.is_relative_to(ROOT / "bench" / "run" / "engines"):
        extra = names_of(PROJECT["optional-dependencies"]["dask"])
    if path.is_relative_to(ROOT / "bench" / "peers"):
        by_hand = {"torch", "torchdiffeq"}  # installed by whoever wants this peer
        extra = names_of(PROJECT["optional-dependencies"]["peers"]) | by_hand
    if path.is_relative_to(ROOT / "systems" / "derive"):
        extra = names_of(PROJECT["optional-dependencies"]["derive"])
    assert others <= declared() | extra


def test_the_extra_of_a_simulator_installs_it_and_the_tests_bring_it_along() -> None:
    extras = PROJECT["optional-dependencies"]
    for simulator in OPTIONAL.values():
        assert names_of(extras[simulator]) == {simulator}
        assert f"gradpareto[{simulator}]" in extras["test"]


@every_module
def test_functions_stay_short(path: Path) -> None:
    functions = [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
    ]
    lines = [(f.name, (f.end_lineno or f.lineno) - f.lineno + 1) for f in functions]
    too_long = [found for found in lines if found[1] > MOST_LINES_OF_A_FUNCTION]
    assert not too_long


@every_module
def test_modules_stay_small_and_are_named_for_what_they_hold(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES
    assert not SAYS_NOTHING.match(path.stem)


def test_contributing_lists_every_folder() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    listed = re.findall(r"^\| `([\w/]+)/` \|", text, flags=re.MULTILINE)
    assert [name for name in listed if not (ROOT / name).is_dir()] == []
    packages = {path.parent.relative_to(ROOT).as_posix() for path in MODULES}
    assert packages <= set(listed)
    assert len(set(listed)) == len(listed)


def test_the_checkout_is_small() -> None:
    """Published records and reports grow, and everybody who clones the repository pays for them."""
    if not (ROOT / ".git").exists():
        pytest.skip("only a git checkout says which files are tracked")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert sum(path.lstat().st_size for path in paths if path.exists()) < MOST_BYTES
