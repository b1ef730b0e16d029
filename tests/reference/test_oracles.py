"""A system's methods are checked before they are believed."""

from dataclasses import dataclass

import numpy as np
import pytest

from gradpareto.reference import certify
from gradpareto.reference.oracles import check_oracles, near, takes_complex
from gradpareto.systems import TASKS, Array, Policy, Problem, System
from gradpareto.systems.faults import Unsound


@dataclass(frozen=True)
class Swing(System):
    """A pendulum with a running and a terminal cost, whose observation is not its state."""

    horizon: float = 2.0
    state_dim = 2
    control_dim = 1
    observation_dim = 3

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        dx = np.column_stack([x[:, 1], -np.sin(x[:, 0]) + u[:, 0] * np.cos(t)])
        return dx, x[:, 0] ** 2 + 0.1 * u[:, 0] ** 2

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx = np.column_stack([-np.cos(x[:, 0]) * a[:, 1] + 2 * c * x[:, 0], a[:, 0]])
        return gx, (a[:, 1] * np.cos(t) + 0.2 * c * u[:, 0])[:, None]

    def observe(self, t: Array, x: Array) -> Array:
        return np.column_stack([np.sin(x[:, 0]), np.cos(x[:, 0]), x[:, 1]])

    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        first = o[:, 0] * np.cos(x[:, 0]) - o[:, 1] * np.sin(x[:, 0])
        return np.column_stack([first, o[:, 2]])

    def terminal(self, x: Array) -> Array:
        return 0.5 * x[:, 1] ** 2

    def terminal_gradient(self, x: Array) -> Array:
        return np.column_stack([0 * x[:, 0], x[:, 1]])

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(1, 2, (samples, 2))


THETA = np.array([0.3, -0.2, 0.1, 0.05])


def problem(system: System) -> Problem:
    return Problem(system, Policy((3, 1), ("identity",)), THETA, system.horizon)


class WrongTerm(Swing):
    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, c)
        gx[:, 0] *= 1 + 1e-5
        return gx, gu


class WrongControl(Swing):
    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, c)
        return gx, -gu


class WrongObservation(Swing):
    def observe_pullback(self, t: Array, x: Array, o: Array) -> Array:
        return super().observe_pullback(t, x, o) * [1, 1.01]


class ForgottenTerminal(Swing):
    def terminal_gradient(self, x: Array) -> Array:
        return np.zeros_like(x)


class Coupled(Swing):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        dx, w = super().flow(t, x, u)
        return dx, w + 1e-8 * x[:, 0].sum()


class CoupledPullback(Swing):
    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, c)
        return gx, gu + 1e-8 * a.sum()


CALLS = [0]


class Tired(Swing):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        CALLS[0] += 1
        dx, w = super().flow(t, x, u)
        return dx * (1 - 1e-8 * CALLS[0]), w


class Single(Swing):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        dx, w = super().flow(t, x.astype(np.float32), u)
        return dx.astype(float), w.astype(float)


class SingleInside(Swing):
    def observe(self, t: Array, x: Array) -> Array:
        return super().observe(t, x) + np.sin(x[:, :1]).astype(np.float32)


class Column(Swing):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        dx, w = super().flow(t, x, u)
        return dx, w[:, None]


class OneArray(Swing):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return super().flow(t, x, u)[0]  # type: ignore[return-value]


class InPlace(Swing):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        x[:, 0] = np.where(x[:, 0].real > 1.5, x[:, 0] - 2 * np.pi, x[:, 0])
        return super().flow(t, x, u)


class Raises(Swing):
    def terminal(self, x: Array) -> Array:
        return x[:, 2]


FAULTS = {
    WrongTerm: r"pullback of WrongTerm \(test_oracles.py\) is not the derivative of flow: d ",
    WrongControl: r"pullback of WrongControl .* d (x'\[1\]|w) / d u\[0\] is -?[\d.e-]+, and diff",
    WrongObservation: r"observe_pullback of WrongObservation .*d o\[2\] / d x\[1\] is 1.01",
    ForgottenTerminal: r"terminal_gradient of ForgottenTerminal .* d J / d x\[1\] is 0",
    Coupled: r"flow of Coupled .* gives another w for a row alone",
    CoupledPullback: r"pullback of CoupledPullback .* gives another u\[0\] for a row alone",
    Tired: r"flow of Tired .* at a second call",
    Single: r"flow of Single .* noise",
    SingleInside: r"observe of SingleInside .* noise",
    Column: r"flow of Column .* \(8, 1\)",
    OneArray: r"flow of OneArray .* returned one ndarray, not 2 arrays",
    InPlace: r"flow of InPlace .* writes into its argument 2",
    Raises: r"terminal of Raises \(test_oracles.py, line \d+\) raised IndexError",
}


@pytest.mark.parametrize("system", FAULTS)
def test_a_fault_is_named_with_its_method_before_anything_is_solved(system: type[Swing]) -> None:
    given, x0 = problem(system()).sample(np.random.default_rng(0), 2)
    with pytest.raises(Unsound, match=FAULTS[system]):
        check_oracles(given, *near(given, x0))
    reference = certify(given, x0)
    assert not reference.usable().any()
    assert np.isnan(reference.gradient).all()
    assert all(reference.verdict(k).kind == "not certified" for k in range(2))


def test_a_sound_system_passes() -> None:
    given, x0 = problem(Swing()).sample(np.random.default_rng(0), 2)
    check_oracles(given, *near(given, x0))
    assert takes_complex(given, *near(given, x0))
    assert certify(given, x0).verdict(0).kind == "certified"


@pytest.mark.parametrize("name", TASKS)
def test_every_registered_system_is_sound(name: str) -> None:
    given = TASKS[name].problem(next(iter(TASKS[name].presets))).exact
    given, x0 = given.sample(np.random.default_rng(0), 3)
    check_oracles(given, *near(given, x0))
    assert takes_complex(given, *near(given, x0))


HELD: dict[tuple[str, tuple[int, ...], str], Array] = {}


def held(name: str, value: Array) -> Array:
    """Return the value in one array that the next call writes into."""
    buffer = HELD.setdefault((name, value.shape, value.dtype.str), np.empty_like(value))
    buffer[...] = value
    return buffer


class Reuses(Swing):
    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        dx, w = super().flow(t, x, u)
        return held("dx", dx), held("w", w)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, c)
        return held("gx", gx), held("gu", gu)


def test_a_system_may_return_a_buffer_of_its_own() -> None:
    """Truth: the reference of the system that returns new arrays, to the last bit."""
    own, x0 = problem(Swing()).sample(np.random.default_rng(0), 2)
    assert np.array_equal(certify(problem(Reuses()), x0).gradient, certify(own, x0).gradient)


class Distance(Swing):
    """Its running cost has a function that NumPy computes for complex numbers in another way."""

    def distance(self, x: Array) -> Array:
        return np.sqrt((x * x).sum(axis=1))

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return super().flow(t, x, u)[0], self.distance(x)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, 0 * c)
        return gx + c[:, None] * x / np.sqrt((x * x).sum(axis=1))[:, None], gu


class Norm(Distance):
    def distance(self, x: Array) -> Array:
        return np.linalg.norm(x, axis=1)


class Hypot(Distance):
    def distance(self, x: Array) -> Array:
        return np.hypot(x[:, 0], x[:, 1])


class Real(Distance):
    def distance(self, x: Array) -> Array:
        return np.sqrt((x.real * x.real).sum(axis=1))


@pytest.mark.parametrize("system", [Norm, Hypot, Real])
def test_a_right_system_that_takes_no_complex_step_is_certified(system: type[Distance]) -> None:
    """Truth: the system whose distance is analytic, to the last bit."""
    safe, x0 = problem(Distance()).sample(np.random.default_rng(0), 2)
    given, analytic = problem(system()), certify(safe, x0)
    assert not takes_complex(given, *near(given, x0))
    reference = certify(given, x0)
    assert np.allclose(reference.gradient, analytic.gradient, rtol=1e-13)
    assert {reference.verdict(k).kind for k in range(2)} == {"certified"}
    assert "random direction" in analytic.disagreements
    assert "random direction" not in reference.disagreements


class Kinked(Swing):
    """A slope that changes where x[0] is 1, which is where the samples start."""

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        dx, w = super().flow(t, x, u)
        return dx, w + np.where(x[:, 0].real > 1, x[:, 0] - 1, 0)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        gx, gu = super().pullback(t, x, u, a, c)
        gx[:, 0] += np.where(x[:, 0].real > 1, c, 0)
        return gx, gu


def test_a_kink_at_a_row_is_no_fault() -> None:
    given = problem(Kinked())
    lane, t, x = near(given, np.array([[1.0, 0.3]]))
    x[:, 0] = 1.0
    check_oracles(given, lane, t, x)
