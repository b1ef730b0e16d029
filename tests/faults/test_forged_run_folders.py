"""Files of a run folder that were forged or damaged are refused in words, and never with a fault.

GRADPARETO_FORGED sets the number of mutated records files, 10,000 by default.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.judge.frontier import comparable
from gradpareto.bench.judge.matrix import verdict_matrix
from gradpareto.bench.judge.table import summarise
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from tests.bench.conftest import SMALL, without_checksums

OTHERS = 300
"""The number of mutations of each other file."""
FORGED = int(os.environ.get("GRADPARETO_FORGED", "10000"))
SPLICES = b"", b"-", b"0", b"9", b",", b"\n", b'"', b"\xff", b"\0", b"nan", b"inf", b"e5", b"../"
"""What is put in the place of some bytes of a file."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunFolder:
    """A run of two estimators, with its store and its checksums."""
    folder = RunFolder(tmp_path_factory.mktemp("whole") / "run")
    sweep(SMALL, folder, cache, Budget(jobs=1))
    return folder


@pytest.fixture(scope="module")
def published(whole: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run as earlier versions published it, without checksums: nothing else protects it."""
    return without_checksums(whole, tmp_path_factory.mktemp("published") / "run")


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Change some bytes, fields or lines of a file, or cut it."""
    rows = content.split(b"\n")
    one, other = rng.integers(len(rows), size=2)
    match rng.integers(8):
        case 0:
            return content[: rng.integers(len(content))]
        case 1:
            rows.insert(one, rows[other])
        case 2:
            del rows[one]
        case 3:  # a field of another row, or of another column
            fields, others = rows[one].split(b","), rows[other].split(b",")
            fields[rng.integers(len(fields))] = others[rng.integers(len(others))]
            rows[one] = b",".join(fields)
        case _:
            changed = bytearray(content)
            for _ in range(rng.integers(1, 4)):
                at = int(rng.integers(len(changed)))
                splice = SPLICES[rng.integers(len(SPLICES))]
                changed[at : at + int(rng.integers(4))] = splice
            return bytes(changed)
    return b"\n".join(rows)


def refusal(folder: RunFolder) -> str:
    """Read what the verbs read of a run; return why it is refused, or ""."""
    try:
        folder.provenance()
        folder.read_cells()
        folder.read_limit("lqr", "optimal")
        folder.read_certificate("lqr", "optimal")
    except UnusableFolder as error:
        told = str(error)
    else:
        return ""
    assert str(folder.path) in told
    return told


def test_ten_thousand_mutated_records_files(published: RunFolder) -> None:
    """What is not refused can be judged, and summed up in tables."""
    content, rng = published.records_path.read_bytes(), np.random.default_rng(5)
    limits = {("lqr", "optimal"): published.read_limit("lqr", "optimal")}
    accepted = judged = 0
    for _ in range(FORGED):
        published.records_path.write_bytes(mutated(content, rng))
        if refusal(published):
            continue
        accepted += 1
        records = published.read_cells()
        ours = set(zip(records["system"], records["theta"], strict=True)) == set(limits)
        if ours and judged < FORGED // 100 and len(comparable(records)):
            judged += 1
            verdict_matrix(records)
            summarise(records, limits)
    published.records_path.write_bytes(content)
    assert 0 < accepted < FORGED / 2
    assert judged > FORGED // 200


@pytest.mark.parametrize(
    "name", ["provenance.json", "limits/lqr.optimal.csv", "certificates/lqr.optimal.csv"]
)
@pytest.mark.parametrize("checked", [True, False])
def test_other_files_are_refused_or_read(
    name: str, checked: bool, whole: RunFolder, published: RunFolder, tmp_path: Path
) -> None:
    """With checksums every change is refused; without them, what cannot be used is."""
    folder = RunFolder(shutil.copytree((whole if checked else published).path, tmp_path / "run"))
    folder.store_path.unlink(missing_ok=True)
    path, rng, refused = folder.path / name, np.random.default_rng(6), 0
    content = path.read_bytes()
    for _ in range(OTHERS):
        found = mutated(content, rng)
        path.write_bytes(found)
        told = refusal(folder)
        refused += bool(told)
        assert told or not checked or found == content
    assert refused > OTHERS / 3


@pytest.mark.parametrize("name", ["SHA256SUMS", "cells.sqlite"])
def test_what_vouches_for_the_rest_is_refused_or_read(
    name: str, whole: RunFolder, tmp_path: Path
) -> None:
    folder = RunFolder(shutil.copytree(whole.path, tmp_path / "run"))
    if name == "SHA256SUMS":
        folder.store_path.unlink()
    path, rng, refused = folder.path / name, np.random.default_rng(7), 0
    content, expected = path.read_bytes(), folder.read_cells()
    for _ in range(OTHERS):
        path.write_bytes(mutated(content, rng))
        told = refusal(folder)
        refused += bool(told)
        assert told or folder.read_cells().equals(expected)
    assert refused > OTHERS / 3
