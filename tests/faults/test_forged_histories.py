"""A forged learning history is refused in one line, or is read as it was."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradpareto.bench.learning.history import History, UnusableHistory
from gradpareto.bench.learning.setups import setup_of
from gradpareto.bench.learning.train import Run, train
from gradpareto.bench.run.report import silent
from tests.faults.injection import Forker, refused_in_one_line
from tests.faults.test_forged_references import FORGERIES, OTHER_ARRAYS, arrays_of, damaged
from tests.faults.test_kills_of_learn import LEARN

SETUP = replace(setup_of("lqr"), horizon=0.5, batch=1)
RUN = Run(SETUP, "bptt", 0.1, trials=2, iterations=4, snapshot_every=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History]:
    path = tmp_path_factory.mktemp("kept") / "bptt.npz"
    return path, train(RUN, path, silent)


def test_arrays_that_are_missing_or_others_are_refused(
    kept: tuple[Path, History], tmp_path: Path
) -> None:
    path, _ = kept
    sound, forged = arrays_of(path), tmp_path / "bptt.npz"
    for name, array in sound.items():
        others: list[Any] = [other(array) for other in OTHER_ARRAYS]
        kinds = [(other.dtype.kind, other.shape) for other in others]
        others = [
            other
            for other, kind in zip(others, kinds, strict=True)
            if kind != (array.dtype.kind, array.shape) or name == "key"
        ]
        if array.dtype.kind == "i":
            others.append(array - 1000)
        if array.dtype.kind == "i" and name != "row_failures":  # which nothing else tells
            others.append(array + 1000)
        for other in others:
            np.savez(forged, allow_pickle=True, **(sound | {name: other}))
            with pytest.raises(UnusableHistory):
                train(RUN, forged, silent)
        np.savez(forged, **{key: value for key, value in sound.items() if key != name})
        with pytest.raises(UnusableHistory):
            train(RUN, forged, silent)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_and_missing_bytes_are_refused_or_harmless(
    kept: tuple[Path, History], tmp_path: Path, data: st.DataObject
) -> None:
    path, history = kept
    forged = tmp_path / "bptt.npz"
    forged.write_bytes(damaged(path.read_bytes(), data))
    try:
        found = train(RUN, forged, silent)
    except UnusableHistory:
        return
    assert np.array_equal(found.state.theta, history.state.theta)
    assert found.table().equals(history.table())


@pytest.fixture(scope="module")
def learned(forking: Forker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learned") / "run"
    assert forking.run([*LEARN, "--out", folder], folder).status == 0
    return folder


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_no_history_is_refused_by_the_verb(
    forgery: str, forking: Forker, learned: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(learned, folder)
    forged = folder / "ctpg.npz"
    forged.unlink()
    FORGERIES[forgery](forged)
    refused_in_one_line(forking.run([*LEARN, "--out", folder], folder), str(forged))
    assert os.path.lexists(forged)
    assert not (folder / "trapped").exists()
