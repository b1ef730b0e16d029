"""A learning run that is killed at any moment of its writing ends as an unbroken one."""

import shutil
from pathlib import Path

from tests.faults.injection import KILLED, Forker, assert_same_records, chosen, names_in

LEARN = ["learn", "lqr", "--iterations", "3", "--horizon", "1", "--reference-every", "9"]


def test_learn_survives_a_kill_at_any_moment(forking: Forker, tmp_path: Path) -> None:
    unbroken, folder = tmp_path / "unbroken", tmp_path / "run"
    whole = forking.run([*LEARN, "--out", unbroken], unbroken)
    assert whole.status == 0, whole.said
    assert whole.moments is not None
    assert whole.moments > 30
    for moment in chosen(whole.moments, 12):
        shutil.rmtree(folder, ignore_errors=True)
        killed = forking.run([*LEARN, "--out", folder], folder, moment)
        assert killed.status == KILLED, killed.said
        again = forking.run([*LEARN, "--out", folder], folder)
        assert again.status == 0, f"after moment {moment}: {again.said}"
        assert_same_records(folder, unbroken)
        assert names_in(folder) == names_in(unbroken), f"after moment {moment}"
