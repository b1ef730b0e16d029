"""The batched Runge-Kutta engine on ordinary differential equations with closed forms."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.estimators.per_lane import PerLaneCtpg
from gradpareto.estimators.solvers.explicit.quadrature_variables import QuadratureVariables
from gradpareto.estimators.solvers.explicit.runge_kutta import RungeKuttaSolution, solve
from gradpareto.estimators.solvers.explicit.step_control import Adaptive, Fixed
from gradpareto.estimators.solvers.explicit.tableaus import RK4, TABLEAUS, Tableau
from gradpareto.estimators.solvers.right_hand_side import RightHandSide
from gradpareto.systems import TASKS, Array, Factors, WeightedSums
from tests.estimators.test_lanes import largest_difference

ADAPTIVE = [name for name, tableau in TABLEAUS.items() if tableau.error is not None]
FREQUENCY = np.array([0.3, 1.0, 5.0])
START = np.array([[1.0, 0.5], [-2.0, 1.0], [0.0, 3.0]])


def oscillator(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
    """Each lane at its own frequency; the integrand is y_1."""
    omega = FREQUENCY[lane]
    return np.stack([omega * y[:, 1], -omega * y[:, 0]], axis=1), (y[:, :1],)


def rotated(t: Array | float, lane: int) -> Array:
    """The oscillator's y(t), (..., 2)."""
    s, c = np.sin(FREQUENCY[lane] * t), np.cos(FREQUENCY[lane] * t)
    p, q = START[lane]
    return np.stack([c * p + s * q, c * q - s * p], axis=-1)


def contract(nodes: Sequence[Factors], weights: Array) -> WeightedSums:
    def write(rows: slice, out: Array) -> None:
        for k, row in enumerate(weights):
            both = zip(row, nodes, strict=True)
            out[k] = sum(w[rows, None] * node[0][rows] for w, node in both)

    return write


def run(
    rhs: RightHandSide,
    y0: Array,
    times: Sequence[float],
    tableau: Tableau,
    control: Adaptive | Fixed,
    *,
    controlled: bool = False,
    **options: object,
) -> RungeKuttaSolution:
    quadrature = QuadratureVariables(1, contract, controlled)
    return solve(rhs, y0, times, tableau, control, quadrature, **options)  # type: ignore[arg-type]


def doubled(tableau: Tableau) -> tuple[int, int]:
    """Numbers of steps between which the error is seen to fall, before it is lost in rounding."""
    return (8, 16) if tableau.order < 9 else (4, 8)


def tightest(tableau: Tableau) -> float:
    """A tolerance that takes a few hundred steps; a method of order 3 takes thousands for 1e-10."""
    return 1e-10 if tableau.order > 3 else 1e-8


@pytest.mark.parametrize("controlled", [False, True])
@pytest.mark.parametrize("times", [(0.0, 3.0), (3.0, 0.0), (0.0, 1.1, 3.0)])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_converges_to_the_tolerance(name: str, times: tuple[float, ...], controlled: bool) -> None:
    """Truth: a rotation, forward and backward in time, and its integral."""
    y0 = np.stack([rotated(times[0], lane) for lane in range(3)])
    end = np.stack([rotated(times[-1], lane) for lane in range(3)])
    begun = np.stack([rotated(times[0], lane) for lane in range(3)])
    integral = -(end[:, 1] - begun[:, 1]) / FREQUENCY
    for tolerance in (1e-4, tightest(TABLEAUS[name])):
        control = Adaptive(tolerance, 1e-3 * tolerance)
        found = run(oscillator, y0, times, TABLEAUS[name], control, controlled=controlled)
        assert not found.failed
        np.testing.assert_allclose(found.y, end, atol=20 * tolerance)
        np.testing.assert_allclose(found.integral[:, 0], integral, atol=60 * tolerance)


def test_lanes_take_steps_of_their_own() -> None:
    """Truth: at one tolerance the number of steps is proportional to the frequency."""
    control = Adaptive(1e-9, 1e-12)
    steps = run(oscillator, START, (0.0, 20.0), TABLEAUS["Tsit5"], control).steps
    np.testing.assert_allclose(steps / steps[1], FREQUENCY, rtol=0.35)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", TABLEAUS)
def test_fixed_steps_converge_at_the_nominal_order(name: str, backward: bool) -> None:
    """Truth: halving the step divides the error at the end, and the integral's, by 2^order."""
    tableau, horizon = TABLEAUS[name], 2.0
    times = (horizon, 0.0) if backward else (0.0, horizon)
    y0 = rotated(times[0], 1)[None]
    truth, turned = rotated(times[1], 1), -(rotated(times[1], 1)[1] - y0[0, 1])
    errors = []
    for steps in doubled(tableau):
        lane1 = run(
            lambda lane, t, y: oscillator(lane + 1, t, y), y0, times, tableau, Fixed(2.0 / steps)
        )
        assert lane1.steps[0] == steps
        errors.append([np.linalg.norm(lane1.y[0] - truth), abs(lane1.integral[0, 0] - turned)])
    observed = np.log2(np.divide(*errors))
    assert tableau.order - 0.35 < observed[0] < tableau.order + 0.6
    assert observed[1] > tableau.order - 0.35


@pytest.mark.parametrize("name", TABLEAUS)
def test_dense_output_converges_at_its_order(name: str) -> None:
    """Truth: the largest error between the steps, against the rotation."""
    t = np.linspace(0.0, 2.0, 401)
    errors = []
    for steps in doubled(TABLEAUS[name]):
        dense = run(
            oscillator, START, (0.0, 2.0), TABLEAUS[name], Fixed(2.0 / steps), dense=True
        ).dense
        assert dense is not None
        errors.append(np.abs(dense(np.ones(len(t), dtype=int), t) - rotated(t, 1)).max())
    observed = np.log2(errors[0] / errors[1])
    order = min(TABLEAUS[name].order, TABLEAUS[name].dense_order + 1)
    assert order - 0.35 < observed < order + 0.6


@pytest.mark.parametrize("name", ADAPTIVE)
def test_dense_output_of_adaptive_lanes(name: str) -> None:
    """Truth: the rotation, at times in random order, lanes mixed, across a stop."""
    rng = np.random.default_rng(0)
    t, lane = rng.uniform(0, 3, 300), rng.integers(0, 3, 300)
    t[:3], t[3:6] = 0.0, 3.0
    tolerance = tightest(TABLEAUS[name])
    control = Adaptive(tolerance, 1e-3 * tolerance)
    dense = run(oscillator, START, (0.0, 1.3, 3.0), TABLEAUS[name], control, dense=True).dense
    assert dense is not None
    truth = np.stack([rotated(at, k) for at, k in zip(t, lane, strict=True)])
    np.testing.assert_allclose(dense(lane, t), truth, atol=1e-7)


@pytest.mark.parametrize("control", [Adaptive(1e-10, 1e-13), Fixed(0.01)])
def test_stops_are_hit_exactly(control: Adaptive | Fixed) -> None:
    """Truth: the rotation at each stop; the slope is asked for inside the segment only."""
    times, asked = (0.0, 0.1, 1 / 3, 1.7, 2.0), []

    def spied(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        asked.extend(t.tolist())
        return oscillator(lane, t, y)

    arrived: list[int] = []
    found = run(
        spied, START, times, TABLEAUS["Tsit5"], control, at_stop=lambda k, y: arrived.append(k)
    )
    for k, t in enumerate(times):
        truth = np.stack([rotated(t, lane) for lane in range(3)])
        np.testing.assert_allclose(found.stops[k], truth, atol=3e-9)
    assert arrived == [1, 2, 3, 4]
    assert not set(times) & set(asked)
    assert min(asked) > 0
    assert max(asked) < 2


@pytest.mark.parametrize("control", [Adaptive(1e-8, 1e-11), Fixed(0.05)])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_path_is_read_at_the_times_of_the_stages(name: str, control: Adaptive | Fixed) -> None:
    """Truth: the closed form; and to the last bit, a right-hand side that works the path out."""
    asked: list[int] = []

    def path(lane: Array, t: Array) -> Array:
        asked.append(len(t))
        return np.cos(FREQUENCY[lane] * t)[..., None]

    def pulled(lane: Array, t: Array, y: Array, force: Array) -> tuple[Array, Factors]:
        return force - y, (y[:, :1],)

    def alone(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        return pulled(lane, t, y, np.cos(FREQUENCY[lane] * t)[..., None])

    times = (0.0, 1.1, 2.0)
    found = run(pulled, START, times, TABLEAUS[name], control, path=path, dense=True)
    truth = run(alone, START, times, TABLEAUS[name], control, dense=True)
    np.testing.assert_array_equal(found.y, truth.y)
    np.testing.assert_array_equal(found.integral, truth.integral)
    assert found.steps.tolist() == truth.steps.tolist()
    assert max(asked) >= TABLEAUS[name].stages - 1
    forced = np.stack(
        [np.cos(FREQUENCY * 2) + FREQUENCY * np.sin(FREQUENCY * 2), 1 + 0 * FREQUENCY]
    )
    end, start = (forced / (1 + FREQUENCY**2))[..., None]
    allowed = control.step ** TABLEAUS[name].order if isinstance(control, Fixed) else 1e-6
    np.testing.assert_allclose(found.y, end + (START - start) * np.exp(-2), atol=allowed)


def test_a_state_overwritten_at_a_stop_is_where_it_goes_on() -> None:
    """Truth: the rotation from the new state."""

    def restart(k: int, y: Array) -> None:
        if k == 1:
            y[:] = START

    times, control = (0.0, 0.9, 2.0), Adaptive(1e-10, 1e-13)
    found = run(oscillator, 7 * START, times, TABLEAUS["Tsit5"], control, at_stop=restart)
    truth = np.stack([rotated(2.0 - 0.9, lane) for lane in range(3)])
    np.testing.assert_allclose(found.y, truth, atol=1e-8)


JUMP = 0.618


def stairs(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
    """y' = -y before JUMP, 3 - 2 y after it; the integrand jumps from 1 to -5."""
    before = t < JUMP
    return np.where(before[:, None], -y, 3 - 2 * y), (np.where(before, 1.0, -5.0)[:, None],)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", TABLEAUS)
def test_a_jump_is_integrated_at_full_order_only_because_it_is_a_stop(
    name: str, backward: bool
) -> None:
    """Truth: two exponentials; the same steps without the stop are first order at best."""
    tableau = TABLEAUS[name]
    middle = 2.0 * np.exp(-JUMP)
    start, end = 2.0, 1.5 + (middle - 1.5) * np.exp(-2 * (1 - JUMP))
    if backward:
        start, end = end, start
    tolerance = 0.1 * tightest(tableau)
    control = Fixed(1 / 128) if tableau.error is None else Adaptive(tolerance, 1e-3 * tolerance)
    errors = {}
    for stops in ((JUMP,), ()):
        times = (1.0, *stops, 0.0) if backward else (0.0, *stops, 1.0)
        found = run(stairs, np.array([[start]]), times, tableau, control)
        errors[stops] = abs(found.y[0, 0] - end)
        if stops:
            whole = (JUMP - 5 * (1 - JUMP)) * (-1 if backward else 1)
            assert found.integral[0, 0] == pytest.approx(whole, abs=1e-13)
        elif control.adaptive:
            with_stop = run(
                stairs, np.array([[start]]), (times[0], JUMP, times[-1]), tableau, control
            )
            assert found.steps[0] > with_stop.steps[0] + 5
    assert errors[JUMP,] < (100 * tolerance if control.adaptive else 8 * 128.0**-tableau.order)
    if not control.adaptive and tableau.order > 1:
        assert errors[()] > 10 * errors[JUMP,]


def squares(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
    return y * y, (y,)


@pytest.mark.parametrize(
    ("name", "control"),
    [(name, Adaptive(1e-8, 1e-11)) for name in ADAPTIVE]
    + [(name, Fixed(0.01)) for name in TABLEAUS],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_lane_that_blows_up_fails_alone(name: str, control: Adaptive | Fixed) -> None:
    """Truth: y0 / (1 - y0 t) has its pole at t = 1 / y0, within the horizon in one lane only."""
    y0, horizon = np.array([[-1.0], [5.0], [0.2]]), 1.5
    found = run(squares, y0, (0.0, 1.4, horizon), TABLEAUS[name], control, dense=True)
    assert list(found.failed) == [1]
    assert "t = 0." in found.failed[1]
    assert np.isnan(found.y[1]).all()
    assert np.isnan(found.integral[1]).all()
    others = run(squares, y0[[0, 2]], (0.0, 1.4, horizon), TABLEAUS[name], control)
    np.testing.assert_allclose(found.y[[0, 2]], others.y, rtol=1e-12)
    assert found.steps[[0, 2]].tolist() == others.steps.tolist()
    allowed = 1e-6 if control.adaptive else 2 * 0.01 ** TABLEAUS[name].order + 1e-13
    truth = y0 / (1 - y0 * horizon)
    np.testing.assert_allclose(found.y[[0, 2]], truth[[0, 2]], rtol=allowed)


def test_lost_lanes_stay_out() -> None:
    """Truth: the right-hand side is never called for them, and their reason is passed on."""
    seen: set[int] = set()

    def spied(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        seen.update(lane.tolist())
        return oscillator(lane, t, y)

    control = Adaptive(1e-6, 1e-9)
    found = run(spied, START, (0.0, 1.0), TABLEAUS["Tsit5"], control, lost={1: "gone"})
    assert seen == {0, 2}
    assert found.failed == {1: "gone"}
    assert np.isnan(found.y[1]).all()
    assert np.isfinite(found.y[[0, 2]]).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "name", [n for n, e in ESTIMATORS.items() if not isinstance(e, PerLaneCtpg)]
)
def test_a_diverging_sample_does_not_take_the_batch_with_it(
    estimator: Estimator, short: Callable
) -> None:
    """Truth: the sample beside it, alone; a linear system from 1e200 overflows in its cost.

    What SciPy's implicit methods do then (raise, or go on for ever) is for the caller's budget.
    """
    problem = short(("lqr", "perturbed"), 2.0)  # a longer backsolve multiplies rounding too
    x0 = np.array([[0.5, -0.3], [1e200, 1e200]])
    setting = {"step": 0.5, "tolerance": 1e-3, "rollouts": 4}[estimator.declares.knob]
    both, one = estimator(problem, x0, setting), estimator(problem, x0[:1], setting)
    bound = largest_difference(estimator, setting)
    np.testing.assert_allclose(both.grad_x0[0], one.grad_x0[0], rtol=bound)
    np.testing.assert_allclose(both.grad_theta[0], one.grad_theta[0], rtol=bound)
    assert 0 not in both.failed
    beyond = np.r_[both.loss[1], both.grad_theta[1]]
    assert 1 in both.failed or not np.isfinite(beyond).all()


def test_a_tableau_without_an_estimate_cannot_adapt() -> None:
    with pytest.raises(ValueError, match="RK4 has no error estimate"):
        run(oscillator, START, (0.0, 1.0), RK4, Adaptive(1e-3, 1e-6))


@pytest.mark.parametrize("setting", [0.0, -1.0, np.nan, np.inf])
def test_unusable_settings_are_refused(estimator: Estimator, setting: float) -> None:
    problem = TASKS["lqr"].problem("optimal")
    with pytest.raises(ValueError, match="must be positive and finite"):
        estimator(problem, np.ones((1, 2)), setting)


@pytest.mark.parametrize("tolerances", [(0.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (1.0, np.inf)])
def test_unusable_tolerances_are_refused(tolerances: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        Adaptive(*tolerances)


@pytest.mark.parametrize("step", [0.0, -0.1, np.nan, np.inf])
def test_unusable_steps_are_refused(step: float) -> None:
    with pytest.raises(ValueError, match="step"):
        run(oscillator, START, (0.0, 1.0), RK4, Fixed(step))
