"""The simulator against the closed form, and what becomes of its warnings."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradpareto.systems import mujoco_cartpole
from gradpareto.systems.mujoco_cartpole import EPS, MujocoCartPole, SimulatorWarning, simulate

mujoco = pytest.importorskip("mujoco")

ROWS = 200
ROOT = Path(__file__).parents[2]
BLACK_BOX, TRUTH = MujocoCartPole(), MujocoCartPole.truth
ROUNDING = np.finfo(float).eps


@pytest.fixture
def rows() -> tuple[np.ndarray, ...]:
    """t, x, u, a, c at states all around, some of them fast."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, 4)) * (1, 3, 3, 8)
    u, a, c = rng.uniform(-1, 1, (ROWS, 1)), rng.standard_normal((ROWS, 4)), np.ones(ROWS)
    return rng.uniform(0, 3, ROWS), x, u, a, c


def missed(rows: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Error of the pullback (R,), relative to itself, and its size (R,)."""
    found, truth = (np.hstack(s.pullback(*rows)) for s in (BLACK_BOX, TRUTH))
    size = np.linalg.norm(truth, axis=1)
    return np.linalg.norm(found - truth, axis=1) / size, size


def test_its_accelerations_and_cost_are_the_closed_form_s(rows: tuple[np.ndarray, ...]) -> None:
    for found, truth in zip(BLACK_BOX.flow(*rows[:3]), TRUTH.flow(*rows[:3]), strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-12)


def test_the_compiled_capsule_has_the_closed_form_s_inertia() -> None:
    model = mujoco_cartpole._simulator()[1]
    about_centre = TRUTH.hinge_inertia - TRUTH.pole_mass * TRUTH.pole_length**2 / 4
    np.testing.assert_allclose(model.body("pole").inertia[:2], about_centre, rtol=1e-14)


def test_differencing_loses_the_rounding_over_its_step(rows: tuple[np.ndarray, ...]) -> None:
    """Truth: the closed form. Accelerations and angles of order 10 are rounded, then divided."""
    error, _ = missed(rows)
    assert np.median(error) > 0.1 * ROUNDING / EPS
    assert np.median(error) < 10 * ROUNDING / EPS
    assert error.max() < 1000 * ROUNDING / EPS


def test_differences_are_central(
    rows: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where truncation is all there is, a step 10 times smaller errs 100 times less."""
    errors = []
    for step in (1e-2, 1e-3):
        monkeypatch.setattr(mujoco_cartpole, "EPS", step)
        errors.append(np.median(missed(rows)[0]))
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)


WRONG = [(entry, bad) for entry in range(5) for bad in (np.nan, np.inf, -np.inf, 1e11)]


@pytest.mark.parametrize(("entry", "bad"), WRONG)
def test_a_bad_state_or_control_is_a_failure_each_time(entry: int, bad: float) -> None:
    """MuJoCo itself takes such a control for zero, and warns of each kind but once."""
    xu, t = np.full((3, 5), 0.1), np.array([0.25, 0.5, 0.75])
    before = simulate(t, xu)
    spoilt = xu.copy()
    spoilt[1, entry] = bad
    named = ("QPOS", "QPOS", "QVEL", "QVEL", "CTRL")[entry]
    for _ in range(2):
        with pytest.raises(SimulatorWarning, match=rf"MuJoCo warns: .*{named}.*Time = 0\.5000"):
            simulate(t, spoilt)
    np.testing.assert_array_equal(simulate(t, xu), before)


def test_a_bad_acceleration_is_a_failure() -> None:
    with pytest.raises(SimulatorWarning, match="QACC"):
        simulate(np.zeros(1), np.array([[0.0, 1.0, 0.0, 9e9, 0.0]]))


def test_warnings_go_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No MUJOCO_LOG.TXT, nothing printed, and whoever listened before listens again."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SimulatorWarning):
        simulate(np.zeros(1), np.full((1, 5), np.nan))
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert mujoco.get_mju_user_warning() is None


def test_it_is_sent_to_other_processes(rows: tuple[np.ndarray, ...]) -> None:
    """Also after its first call, which loads what cannot be pickled."""
    BLACK_BOX.flow(*rows[:3])
    assert pickle.loads(pickle.dumps(BLACK_BOX)) == BLACK_BOX


def test_the_simulator_is_loaded_when_it_is_called() -> None:
    imported = "import sys, gradpareto.systems, gradpareto.bench.verbs.cli"
    script = f"{imported}; assert 'mujoco' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
