"""Taichi's electric task against the closed form, to what float32 leaves."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Array
from gradpareto.systems.electric import ELECTRODES, Electric

pytest.importorskip("taichi")
from gradpareto.systems.taichi_electric import ROWS, TaichiElectric

ROOT = Path(__file__).parents[2]
UNIT = float(np.finfo(np.float32).eps) / 2
"""Relative error of one rounding."""

Rows = tuple[Array, Array, Array, Array, Array]


def both(context: Array) -> tuple[Electric, TaichiElectric]:
    return Electric(context), TaichiElectric(context)


@pytest.fixture(scope="module")
def rows() -> tuple[Array, Rows]:
    """Contexts, and t, x, u, a, c all over the square; more of them than Taichi's fields hold."""
    rng, count = np.random.default_rng(0), 2 * ROWS + 300
    x = rng.uniform(-0.1, 1.1, (count, 4))
    u, a, c = rng.uniform(-1, 1, (count, 8)), rng.standard_normal((count, 4)), rng.random(count)
    return rng.random((count, 6)), (rng.uniform(0, 15.36, count), x, u, a, c)


def roundings(x: Array) -> tuple[Array, Array, Array]:
    """Return for each electrode (R, 8): |r|, K / r^3, and how many roundings a term carries.

    A term goes through at most 12 operations and a sum of 8. Two roundings of r, each relative to
    |x| + |electrode| < 3, come in enlarged by at most 5 / max(r, 0.1): r enters by its fifth power.
    """
    distance = np.linalg.norm(x[:, None, :2] - ELECTRODES, axis=2)
    held = np.maximum(distance, 0.1)
    return distance, 1e-3 / held**3, 20 + 2 * 5 * 3 / held


def within(found: Array, truth: Array, allowed: Array) -> None:
    """No further off than allowed, but by more than float64 would be, nor is allowed vacuous."""
    used = np.abs(found - truth) / allowed
    assert used.max() <= 1
    assert used.max() > 0.005


def test_flow_is_the_closed_form_to_float32(rows: tuple[Array, Rows]) -> None:
    """Truth: `Electric` in float64; the bounds count the roundings of each term."""
    context, (t, x, u, _, _) = rows
    exact, taichi = both(context)
    (slope, cost), (found_slope, found_cost) = exact.flow(t, x, u), taichi.flow(t, x, u)
    distance, reach, count = roundings(x)
    force = (count * reach * np.abs(u) * distance).sum(axis=1)
    within(found_slope[:, :2], slope[:, :2], UNIT * np.abs(x[:, 2:]))
    within(found_slope[:, 2:], slope[:, 2:], UNIT * (force[:, None] + 10 * np.abs(x[:, 2:])))
    within(found_cost, cost, UNIT * (4 * cost + 12 * np.sqrt(cost)))


def test_pullback_is_the_closed_form_to_float32(rows: tuple[Array, Rows]) -> None:
    """Truth: `Electric`'s, derived by hand, where Taichi differentiates its kernel itself."""
    context, (t, x, u, a, c) = rows
    exact, taichi = both(context)
    (gx, gu), (found_gx, found_gu) = exact.pullback(t, x, u, a, c), taichi.pullback(t, x, u, a, c)
    distance, reach, count = roundings(x)
    pushed = np.linalg.norm(a[:, 2:], axis=1)[:, None]
    bent = (4 * count * reach * np.abs(u) * pushed).sum(axis=1)[:, None] + 40 * c[:, None]
    within(found_gx[:, :2], gx[:, :2], UNIT * bent)
    within(found_gx[:, 2:], gx[:, 2:], 4 * UNIT * (np.abs(a[:, :2]) + np.abs(a[:, 2:])))
    within(found_gu, gu, UNIT * count * reach * distance * pushed)


def test_a_row_does_not_depend_on_the_part_it_is_in(rows: tuple[Array, Rows]) -> None:
    context, given = rows
    whole = TaichiElectric(context).pullback(*given)
    for row in (0, ROWS - 1, ROWS, len(context) - 1):
        alone = TaichiElectric(context[[row]]).pullback(*(part[[row]] for part in given))
        for one, many in zip(alone, whole, strict=True):
            np.testing.assert_array_equal(one[0], many[row])


def test_at_an_electrode_the_derivative_is_finite() -> None:
    """Truth: within the clamp the force is K u r / 0.1^3; the root of |r|^2 has no derivative."""
    x, u = np.append(ELECTRODES[:1], [[0.0, 0.0]], axis=1), np.eye(8)[:1]
    system = TaichiElectric(np.full((1, 6), 0.5))
    gx, _ = system.pullback(np.zeros(1), x, u, np.array([[0.0, 0.0, 1.0, -2.0]]), np.zeros(1))
    np.testing.assert_allclose(gx[:, :2], [[1.0, -2.0]], rtol=1e-5)


@pytest.mark.parametrize("off", [np.nan, np.inf])
def test_what_is_not_finite_stays_so_and_in_its_row(off: float) -> None:
    context, x, u = np.full((2, 6), 0.5), np.full((2, 4), 0.3), np.ones((2, 8))
    x[0, 0] = off
    slope, cost = TaichiElectric(context).flow(np.zeros(2), x, u)
    assert not np.isfinite([slope[0, 2], cost[0]]).any()
    assert np.isfinite(slope[1]).all()
    gx, gu = TaichiElectric(context).pullback(np.zeros(2), x, u, x, np.ones(2))
    assert not np.isfinite(gx[0, 0])
    assert np.isfinite([*gx[1], *gu[1]]).all()


@pytest.mark.parametrize("estimator", ["bptt-semi-implicit", "bptt-rk4", "ctpg"])
def test_gradients_agree_to_float32(estimator: str) -> None:
    """Truth: the same estimator on the closed form, with the same contexts."""
    problem, x0 = TASKS["taichi_electric"].problem("initial").sample(np.random.default_rng(0), 2)
    assert isinstance(problem.exact.system, Electric)
    assert problem.exact.context is problem.context
    setting = 0.25 if ESTIMATORS[estimator].declares.knob == "step" else 1e-3
    found, truth = (ESTIMATORS[estimator](p, x0, setting) for p in (problem, problem.exact))
    for part in ("loss", "grad_x0", "grad_theta"):
        one, other = getattr(found, part), getattr(truth, part)
        assert 0 < np.linalg.norm(one - other) <= 1e-5 * np.linalg.norm(other), part


def test_a_complex_step_is_refused() -> None:
    with pytest.raises(TypeError, match="complex128"):
        TaichiElectric().flow(np.zeros(1), np.zeros((1, 4), complex), np.zeros((1, 8)))


def python(code: str, where: Path) -> str:
    """Return everything that a fresh process prints, on either stream."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_it_starts_late_and_silently_in_another_process(tmp_path: Path) -> None:
    system = TaichiElectric(np.full((1, 6), 0.5))
    x, u = np.full((1, 4), 0.3), np.ones((1, 8))
    slope = system.flow(np.zeros(1), x, u)[0]
    code = f"""
import pickle, numpy as np
import gradpareto.systems
assert "taichi" not in sys.modules
system = pickle.loads({pickle.dumps(system)!r})
slope = system.flow(np.zeros(1), np.full((1, 4), 0.3), np.ones((1, 8)))[0]
assert "taichi" in sys.modules
print(slope.tolist())
"""
    assert python(code, tmp_path) == f"{slope.tolist()}\n"
    assert not list(tmp_path.iterdir())


def test_without_taichi_the_registry_says_what_to_install(tmp_path: Path) -> None:
    code = """
from importlib import util
find_spec = util.find_spec
util.find_spec = lambda name: None if name == "taichi" else find_spec(name)
from gradpareto import systems
assert "taichi_electric" not in systems.TASKS
print(systems.NEEDS["taichi_electric"])
"""
    assert python(code, tmp_path) == "pip install 'gradpareto[taichi]'\n"
