"""The provenance of a run, without anything private: no host, user name or absolute path."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import threadpool_info

LIBRARIES = ("numpy", "scipy", "pandas", "moocore")
_ROOT = Path(__file__).resolve().parents[2]


def session(references: dict[str, str]) -> dict[str, Any]:
    """Describe this session of measuring, with the cache keys of the references it judges by."""
    status = _git("status", "--porcelain")
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
