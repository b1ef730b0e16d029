"""The arrows between the folders, and how large a module may grow."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from systems import OPTIONAL

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "systems": {"systems"},
    "estimators": {"estimators", "systems"},
    "reference": {"reference", "systems"},
    "bench": {"bench", "estimators", "reference", "systems"},
}
MODULES = sorted(path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))
MOST_LINES = 320
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


def declared() -> set[str]:
    """Import names of the run-time dependencies, and of what the optional systems need (each here
    is imported by its own name)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (project["optional-dependencies"][extra] for extra in OPTIONAL.values())
    lines = (line for group in (project["dependencies"], *extras) for line in group)
    found = (re.match(r"[\w.-]+", line) for line in lines)
    return {match[0].lower().replace("-", "_") for match in found if match}


every_module = pytest.mark.parametrize(
    "path", MODULES, ids=[path.relative_to(ROOT).as_posix() for path in MODULES]
)


@every_module
def test_imports_follow_the_arrows(path: Path) -> None:
    own = set(MAY_IMPORT) | {"tests"}
    crossed = imported(path) & own - MAY_IMPORT[path.relative_to(ROOT).parts[0]]
    assert not crossed


@every_module
def test_third_parties_are_declared(path: Path) -> None:
    others = imported(path) - set(MAY_IMPORT) - set(sys.stdlib_module_names)
    assert others <= declared()


@every_module
def test_modules_stay_small_and_are_named_for_what_they_hold(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES
    assert not SAYS_NOTHING.match(path.stem)
