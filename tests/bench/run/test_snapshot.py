"""A snapshot is read as it was written, and a comparison finds what moved."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradpareto.bench.run.report import silent
from gradpareto.bench.run.snapshot import (
    Answer,
    Key,
    differences,
    read_snapshot,
    take_snapshot,
    write_snapshot,
)
from tests.bench.conftest import assert_refused

ESTIMATORS = ("bptt", "ctpg", "finite_difference")


@pytest.fixture(scope="module")
def snapshot() -> dict[Key, Answer]:
    with np.errstate(all="ignore"):
        return take_snapshot([("lqr", "optimal"), ("lorenz", "initial")], ESTIMATORS, silent)


def test_a_snapshot_is_read_as_it_was_written(snapshot: dict[Key, Answer], tmp_path: Path) -> None:
    write_snapshot(tmp_path / "one.npz", snapshot)
    table = differences(snapshot, read_snapshot(tmp_path / "one.npz"))
    assert sorted(table.estimator) == sorted(ESTIMATORS)
    assert table.cells.sum() == len(snapshot)
    assert not table.moved.any()
    assert not table.largest.any()
    assert table.lanes.sum() > len(snapshot)


def changed(snapshot: dict[Key, Answer], **what: object) -> dict[Key, Answer]:
    key = next(key for key in snapshot if key[2] == "ctpg")
    return snapshot | {key: replace(snapshot[key], **what)}


def test_a_gradient_that_moved_is_found(snapshot: dict[Key, Answer]) -> None:
    """Truth: the relative difference put in."""
    key = next(key for key in snapshot if key[2] == "ctpg")
    numbers = snapshot[key].numbers.copy()
    numbers[1] *= 1 + 1e-9
    first = differences(snapshot, changed(snapshot, numbers=numbers)).iloc[0]
    assert (first.estimator, first.moved, first.beyond) == ("ctpg", 0, 1)
    assert first.largest == pytest.approx(1e-9, rel=1e-5)
    assert first["where"].startswith("lqr (optimal) at")


@pytest.mark.parametrize("column", range(5))
def test_a_count_that_moved_is_found(snapshot: dict[Key, Answer], column: int) -> None:
    key = next(key for key in snapshot if key[2] == "ctpg")
    counts = snapshot[key].counts.copy()
    counts[0, column] += 1
    first = differences(snapshot, changed(snapshot, counts=counts)).iloc[0]
    assert (first.estimator, first.moved) == ("ctpg", 1)


def test_a_status_and_a_lost_lane_are_found(snapshot: dict[Key, Answer]) -> None:
    assert differences(snapshot, changed(snapshot, status="raised: x")).moved.sum() == 1
    key = next(key for key in snapshot if key[2] == "ctpg")
    numbers = snapshot[key].numbers.copy()
    numbers[0, 0] = np.nan
    assert differences(snapshot, changed(snapshot, numbers=numbers)).moved.sum() == 1


def test_the_command_compares_and_overwrites_nothing(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    few = ("--system", "lqr", "--theta", "optimal", "--estimator", "bptt")
    assert call("snapshot", one, *few).returncode == 0
    held = one.read_bytes()
    assert_refused(call("snapshot", one, *few), "exists")
    same = call("snapshot", two, *few, "--against", one, "--json")
    assert (same.returncode, '"moved": 0' in same.stdout) == (0, True)
    key = ("lqr", "optimal", "bptt", 10 / 7)
    snapshot = read_snapshot(one)
    write_snapshot(two, snapshot | {key: replace(snapshot[key], status="raised: x")})
    assert call("snapshot", two, "--against", one).returncode == 1
    assert one.read_bytes() == held
    (tmp_path / "no.npz").write_text("no")
    assert_refused(call("snapshot", two, "--against", tmp_path / "no.npz"), "is no snapshot")
    assert_refused(call("snapshot", two, "--against", tmp_path / "nowhere.npz"), "nowhere.npz")
