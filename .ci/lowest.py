"""Prints the lowest versions that pyproject.toml declares, as constraints for pip."""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]

for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["derive"]]:
    print(re.sub(r"^([\w-]+)>=([\w.]+)$", r"\1==\2", requirement))
