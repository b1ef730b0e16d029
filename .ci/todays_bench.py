"""Puts all that measures, as it is in this checkout, in the place of that of a commit.

usage: python .ci/todays_bench.py FOLDER -- FOLDER is where `asv` builds the commit.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
MEASURES = ("bench", "reference", "gradpareto")

if __name__ == "__main__":
    there = Path(sys.argv[1])
    for name in MEASURES:
        shutil.rmtree(there / name, ignore_errors=True)
        shutil.copytree(HERE / name, there / name, symlinks=True)
    shutil.copy(HERE / "pyproject.toml", there)
