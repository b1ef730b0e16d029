"""The adaptive solves: each lane's accuracy, dense output and steps are its own."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gradpareto.reference import NotSolved
from gradpareto.reference.ivp import TIGHT, solve_along, solve_dense
from gradpareto.systems import Array

RATES = np.array([1.0, 30.0, 2.0])


def spiral(lane: Array, t: Array, y: Array) -> Array:
    """y' = rate (-0.1 y + i y) as two reals: exp(-0.1 rate t) times a rotation."""
    x = np.stack([-0.1 * y[:, 0] - y[:, 1], y[:, 0] - 0.1 * y[:, 1]], axis=1)
    return RATES[lane, None] * x


def exact(rate: Array, t: Array) -> Array:
    """From (1, 0)."""
    turned = np.exp((-0.1 + 1j) * rate * t)
    return np.stack([turned.real, turned.imag], axis=1)


START = np.tile([1.0, 0.0], (3, 1))


@pytest.mark.parametrize(("start", "end"), [(0.0, 2.0), (2.0, 0.0)])
def test_ends_and_dense_output(start: float, end: float) -> None:
    """Truth: the exponential, forward and backward."""
    begin = exact(RATES, np.full(3, start))
    found, dense = solve_dense(spiral, start, end, begin)
    scale = np.exp(0.2 * RATES.max()) if end < start else 1.0
    assert np.abs(found - exact(RATES, np.full(3, end))).max() < 1e-13 * scale
    lane = np.repeat([2, 0, 1], 50)
    t = np.random.default_rng(0).uniform(0, 2, 150)
    t[:2] = 0, 2
    assert np.abs(dense(lane, t) - exact(RATES[lane], t)).max() < 1e-12 * scale
    for number in range(3):
        mesh = dense.mesh(number)
        assert (mesh[0], mesh[-1]) == (0, 2)
        assert (np.diff(mesh) > 0).all()


def test_lanes_step_alone() -> None:
    """Truth: the fast lane's number of steps leaves the slow lanes' as they are."""
    _, dense = solve_dense(spiral, 0.0, 2.0, START)
    slow, fast, _ = (len(dense.mesh(lane)) for lane in range(3))
    assert fast > 2 * slow
    _, alone = solve_dense(spiral, 0.0, 2.0, START[:1])
    assert np.array_equal(alone.mesh(0), dense.mesh(0))


def test_step_control_against_scipy() -> None:
    """Truth: SciPy's own DOP853 at the same tolerance takes about as many steps."""
    _, dense = solve_dense(spiral, 0.0, 20.0, START)
    theirs = solve_ivp(
        lambda t, y: spiral(np.ones(1, dtype=int), np.array([t]), y[None])[0],
        (0, 20),
        START[1],
        "DOP853",
        rtol=TIGHT.rtol,
        atol=TIGHT.rtol * 1e-4 * 600,
    )
    assert len(dense.mesh(1)) == pytest.approx(len(theirs.t), rel=0.05)


def test_fixed_steps_have_order_eight() -> None:
    """Truth: the exponential; the error falls 256-fold as steps are halved."""
    errors = [
        np.abs(
            solve_along(spiral, np.tile(np.linspace(0, 2, n + 1), (3, 1)), START)[0]
            - exact(RATES, np.full(3, 2.0))[0]
        ).max()
        for n in (3, 6)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(8, abs=0.5)


def test_a_jump_is_stepped_across() -> None:
    """Truth: y = t up to 1/3, then 1/3 - 5 (t - 1/3), a slope that nobody declared."""
    found, dense = solve_dense(
        lambda lane, t, y: np.where(t < 1 / 3, 1.0, -5.0)[:, None], 0.0, 1.0, np.zeros((1, 1))
    )
    assert found[0, 0] == pytest.approx(1 / 3 - 10 / 3, abs=1e-13)
    assert len(dense.mesh(0)) < 300


def test_a_finite_time_blow_up_is_refused() -> None:
    """y' = y^2 from 1 is infinite at t = 1."""
    with pytest.raises(NotSolved, match="t = 1"):
        solve_dense(lambda lane, t, y: y * y, 0.0, 2.0, np.ones((1, 1)))
