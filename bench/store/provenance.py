"""The provenance of a run, without anything private: no host, user name or absolute path."""

import json
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import threadpool_info

from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.whole_file import read_bounded

LIBRARIES = ("numpy", "scipy", "pandas", "moocore")
MOST_BYTES = 2**26
"""The most bytes of a provenance."""
DEEPEST = 20
"""The most levels of lists and objects in it."""
CODE = ("gradpareto", "bench", "estimators", "systems", "reference", "pyproject.toml")
"""The parts of a checkout of which a change makes a session `dirty`: a run that lies beside them is
none."""
_ROOT = Path(__file__).resolve().parents[2]


def session(references: dict[str, str]) -> dict[str, Any]:
    """Describe this session of measuring, with the cache keys of the references it judges by."""
    status = _git("status", "--porcelain", "--", *CODE)
    return {
        "command": " ".join(["gradpareto", *map(_public, sys.argv[1:])]),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "blas": _blas(),
        "cores": psutil.cpu_count(),
        "references": references,
    }


def _public(argument: str) -> str:
    """Leave out the folder of an absolute path in an argument, also behind --option=."""
    option, equals, value = argument.rpartition("=")
    return option + equals + (Path(value).name if Path(value).is_absolute() else value)


def _git(*arguments: str) -> str | None:
    """Run git and return its output; None where the package is not run from a checkout."""
    try:
        result = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, encoding="utf-8", check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def _blas() -> list[str]:
    """Name the libraries of linear algebra, and the kind of processor whose routines they chose."""
    import scipy.linalg  # noqa: F401, PLC0415 (its library is listed only where it is loaded)

    found = {
        " ".join(str(one.get(part, "")) for part in ("internal_api", "version", "architecture"))
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }
    return sorted(name.strip() for name in found)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def read_provenance(path: Path) -> dict[str, Any]:
    """Read a provenance. Raises UnusableFolder, in one line, if it is of any other form."""
    try:
        found = json.loads(read_bounded(path, MOST_BYTES), parse_constant=_no_number)
    except OSError as error:
        raise UnusableFolder(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UnusableFolder(f"{path} is damaged: name another folder") from error
    if fault := _fault_of(found):
        raise UnusableFolder(f"{path} is damaged, {fault}: name another folder")
    return dict(found)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _fault_of(found: Any) -> str:
    """Say in which part a provenance is of another form; "" if none is."""
    if not isinstance(found, dict):
        return "it is no object"
    if too_deep(found):
        return "it is nested too deeply"
    forms = {
        "schema": type(found.get("schema")) is int,
        "shared": isinstance(found.get("shared"), dict),
        "sessions": _all(found.get("sessions"), list, dict),
        "code": _all(found.get("code", {}), dict, dict)
        and all(map(_are_digests, found.get("code", {}).values())),
    }
    for part in ("plugins", "system_plugins"):
        plugins = found.get(part, {})
        forms[part] = _all(plugins, dict, dict) and all(map(_is_plugin, plugins.values()))
    shared = found.get("shared")
    if isinstance(shared, dict):
        for name, least in (("samples", 1), ("seed", 0)):
            value = shared.get(name, least)
            forms[f"shared {name}"] = type(value) is int and least <= value < 2**63
    return next((f"its {part} has a wrong form" for part, right in forms.items() if not right), "")


def _all(value: Any, kind: type, of: type) -> bool:
    """Whether a value is a list or an object, and all that is in it is of a type."""
    if not isinstance(value, kind):
        return False
    inside: Any = value.values() if isinstance(value, dict) else value
    return all(isinstance(one, of) for one in inside)


def _are_digests(part: dict[str, Any]) -> bool:
    return all(isinstance(one, str) and re.fullmatch("[0-9a-f]{64}", one) for one in part.values())


def _is_plugin(entry: dict[str, Any]) -> bool:
    texts = isinstance(entry.get("source"), str) and isinstance(entry.get("digest"), str)
    return texts and _all(entry.get("names"), list, str)


def too_deep(value: Any) -> bool:
    """Whether a value of JSON has more than DEEPEST levels."""
    level = [value]
    for _ in range(DEEPEST):
        lists = [list(one.values()) if isinstance(one, dict) else one for one in level]
        level = [part for one in lists if isinstance(one, list) for part in one]
        if not level:
            return False
    return True
