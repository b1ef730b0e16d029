"""Derivatives that are made from `flow`: by every maker, against those derived by hand."""

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gradpareto.systems import TASKS, Array, System
from gradpareto.systems.derive import Derived, derived
from gradpareto.systems.derive.choice import MAKERS, derivative
from gradpareto.systems.derive.row_function import RowFunction, Rows, Untraceable
from gradpareto.systems.faults import Unsound

ANALYTIC = [name for name, task in TASKS.items() if task.system.truth is None]
BY_HAND = {"flow", "pullback", "observe", "observe_pullback", "terminal", "terminal_gradient"}
EXACT, DIFFERENCED = 1e-12, 1e-7
REFUSED = {("lqr", "autograd"): "made without", ("electric", "SymPy"): "comparison"}
"""The reason why a maker refuses a system. `Bare` hides the modules in which arrays are made."""


@dataclass(frozen=True)
class Bare:
    """A system without its derivatives."""

    whole: System

    def __getattr__(self, name: str) -> Any:
        if name in ("pullback", "observe_pullback", "terminal_gradient") or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.whole, name)

    def within(self, context: Array) -> "Bare":
        return Bare(self.whole.within(context))


def drawn(name: str, rows: int = 6) -> tuple[System, Rows]:
    """A registered system, and rows near its initial states."""
    task, rng = TASKS[name], np.random.default_rng(1)
    system = task.system
    x = system.sample_x0(rng, rows)
    context = system.sample_context(rng, x) if system.context_dim else None
    x = x + 0.1 * rng.standard_normal(x.shape)
    u = rng.standard_normal((rows, system.control_dim))
    return system, Rows(context, system.horizon * rng.random(rows), np.concatenate([x, u], axis=1))


def assert_near(found: Array, truth: Array, bound: float) -> None:
    np.testing.assert_allclose(found, truth, rtol=0, atol=bound * np.abs(truth).max(initial=1e-300))


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("name", ANALYTIC)
def test_a_made_pullback_is_the_hand_derived_one(name: str, maker: str) -> None:
    system, at = drawn(name)
    d = system.state_dim
    function = RowFunction(Bare(system), "flow", d)
    a = np.random.default_rng(2).standard_normal((len(at.t), d + 1))
    if reason := REFUSED.get((name, maker)):
        with pytest.raises(Untraceable, match=reason):
            MAKERS[maker](function, at)
        return
    product = MAKERS[maker](function, at)
    inside = system if at.context is None else system.within(at.context)
    truth = np.concatenate(
        inside.pullback(at.t, at.z[:, :d], at.z[:, d:], a[:, :d], a[:, d]), axis=1
    )
    found = pickle.loads(pickle.dumps(product))(at.context, at.t, at.z, a)
    assert_near(found, truth, DIFFERENCED if maker == "differences" else EXACT)


@pytest.mark.parametrize("name", ANALYTIC)
def test_every_method_of_a_registered_system_is_derived(name: str) -> None:
    system, at = drawn(name)
    d = system.state_dim
    made = derived(Bare(system))
    assert isinstance(made, Derived)
    inside = made if at.context is None else made.within(at.context)
    own = system if at.context is None else system.within(at.context)
    x, rng = at.z[:, :d], np.random.default_rng(3)
    o = rng.standard_normal((len(x), system.observation_dim))
    exact = not {one.maker for one in made.derivatives.values()} & {"differences"}
    bound = 1e-11 if exact else DIFFERENCED
    observed = inside.observe_pullback(at.t, x, o)
    assert_near(observed, own.observe_pullback(at.t, x, o), bound)
    assert_near(inside.terminal_gradient(x), own.terminal_gradient(x), bound)
    sizes = made.state_dim, made.control_dim, made.observation_dim, made.horizon
    assert sizes == (d, system.control_dim, system.observation_dim, system.horizon)


def filled(t: Array, x: Array, u: Array) -> Array:
    dx = np.zeros((len(x), 2))
    dx[:, 0] = x[:, 1]
    dx[:, 1] = (1 - x[:, 0] ** 2) * x[:, 1] - x[:, 0] + u[:, 0]
    return dx


def filled_like(t: Array, x: Array, u: Array) -> Array:
    dx = np.empty_like(x)
    dx[:, :1], dx[:, 1:] = np.hypot(x[:, 1:], x[:, :1] + 2) * u, np.arctan2(x[:, :1], 2 + x[:, 1:])
    dx[..., 0] += np.log1p(x[:, 0] ** 2) + np.expm1(x[:, 1]) + 0.1
    return dx


def solved(t: Array, x: Array, u: Array) -> Array:
    one = np.ones(len(x))
    mass = np.stack(
        [np.stack([2 + np.cos(x[:, 1]), x[:, 0]], 1), np.stack([x[:, 0], 3 * one], 1)], 1
    )
    return np.linalg.solve(mass, np.concatenate([x[:, :1], u], axis=1)[:, :, None])[:, :, 0]


def chosen(t: Array, x: Array, u: Array) -> Array:
    late = np.where(t[:, None] > 1, np.clip(u, -1, 1), np.maximum(u, x[:, :1]))
    return np.concatenate([late, np.abs(x[:, 1:]) * np.sign(x[:, :1])], axis=1)


def contracted(t: Array, x: Array, u: Array) -> Array:
    gain = np.array([[0.1, 2.0], [-1.0, 1 / 3]])
    quadratic = np.einsum("ri,ij,rj->r", x, gain, x)
    return (
        x @ gain.T
        + np.stack([quadratic, np.tanh(u).sum(axis=1)], axis=-1) / np.sqrt(1 + t)[:, None]
    )


def drawn_inside(t: Array, x: Array, u: Array) -> Array:
    """A C extension of NumPy's own makes its arrays by `np.empty`, and fills them by itself."""
    return x * np.random.default_rng(5).standard_normal(2) + u


FLOWS = {
    filled: "SymPy",
    filled_like: "SymPy",
    solved: "complex step",
    chosen: "autograd",
    contracted: "SymPy",
    drawn_inside: "SymPy",
}


class Flowing:
    """A system of a given x', whose running cost is |x| + u^2."""

    def __init__(self, x_dot: Any) -> None:
        self.x_dot = x_dot

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return self.x_dot(t, x, u), np.sqrt((x * x).sum(axis=1)) + u[:, 0] ** 2

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(-1, 1, (samples, 2))


@pytest.mark.parametrize("x_dot", FLOWS, ids=lambda one: one.__name__)
def test_each_way_to_write_a_flow_has_an_exact_derivative(x_dot: Any) -> None:
    """Truth: central differences with Richardson's extrapolation, to 1e-8."""
    system = derived(Flowing(x_dot))
    assert isinstance(system, Derived)
    assert system.derivatives["flow"].maker == FLOWS[x_dot]
    rng = np.random.default_rng(6)
    t, x, u, a, c = (rng.uniform(0.2, 1.8, shape) for shape in (5, (5, 2), (5, 1), (5, 2), 5))
    v, w = rng.standard_normal((5, 2)), rng.standard_normal((5, 1))

    def along(h: float) -> Array:
        ahead, behind = (system.flow(t, x + s * h * v, u + s * h * w) for s in (1, -1))
        change = [(one - other) / (2 * h) for one, other in zip(ahead, behind, strict=True)]
        return (a * change[0]).sum(axis=1) + c * change[1]

    truth = (4 * along(5e-4) - along(1e-3)) / 3
    gx, gu = system.pullback(t, x, u, a, c)
    np.testing.assert_allclose((gx * v).sum(axis=1) + (gu * w).sum(axis=1), truth, rtol=1e-7)


def test_a_complex_step_goes_through_an_array_that_a_flow_fills() -> None:
    system, h = derived(Flowing(filled)), 1e-30
    x, t = np.array([[0.3, -0.8]]), np.zeros(1)
    found = system.flow(t, x + 1j * h * np.array([[1.0, 0.0]]), np.zeros((1, 1)))[0].imag / h
    np.testing.assert_allclose(found, [[0, 2 * 0.3 * 0.8 - 1]], rtol=1e-14)
    assert (
        system.flow(t.astype("f4"), x.astype("f4"), np.zeros((1, 1), "f4"))[0].dtype == np.float32
    )


def test_a_simulator_is_differenced_and_its_calls_are_counted() -> None:
    written = Flowing(filled)
    written.simulator = True  # type: ignore[attr-defined]
    system = derived(written)
    assert isinstance(system, Derived)
    assert system.derivatives["flow"].maker == "differences"
    assert system.pullback_flows == 4 * 3
    assert not system.compares_in_time


def test_what_is_derived_by_hand_stays() -> None:
    system = TASKS["lqr"].system
    assert derived(system) is system


def test_a_wrong_product_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(function: RowFunction, at: Rows) -> Any:
        right = MAKERS["complex step"](function, at)
        return lambda *given: right(*given) * (1 + 1e-8)

    monkeypatch.setattr("gradpareto.systems.derive.choice.MAKERS", dict(MAKERS) | {"SymPy": wrong})
    system = derived(Flowing(filled))
    assert isinstance(system, Derived)
    assert system.derivatives["flow"].maker == "complex step"


def test_without_the_extra_complex_steps_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(function: RowFunction, at: Rows) -> Any:
        raise ImportError(name="sympy")

    left_out = {"SymPy": missing, "autograd": missing}
    monkeypatch.setattr("gradpareto.systems.derive.choice.MAKERS", dict(MAKERS) | left_out)
    assert str(derived(Flowing(filled)).derivatives["flow"]).startswith("complex step")  # type: ignore[attr-defined]
    assert str(derived(Flowing(chosen)).derivatives["flow"]).startswith("differences")  # type: ignore[attr-defined]
    made: list[Any] = []
    with pytest.raises(Unsound, match=r"gradpareto\[derive\]"):
        made.append(derived(Flowing(lambda t, x, u: np.round(x, 3) + u)))


def counted(t: Array, x: Array, u: Array) -> Array:
    counted.calls += 1  # type: ignore[attr-defined]
    return x * counted.calls + u  # type: ignore[attr-defined]


counted.calls = 0  # type: ignore[attr-defined]


def changed(t: Array, x: Array, u: Array) -> Array:
    x *= 2
    return x + u


@pytest.mark.parametrize(
    ("x_dot", "words"),
    [
        (lambda t, x, u: x[:, 0], r"x' of shape \(8,\), not \(8, 2\)"),
        (lambda t, x, u: x + u[:, 1:2], "control_dim"),
        (lambda t, x, u: x + u[:, 1][:, None], "control_dim say"),
        (lambda t, x, u: (x + u).astype("f4"), "dtype float32, not float64"),
        (lambda t, x, u: (x + u).astype(object), "dtype object, not float64"),
        (lambda t, x, u: x / abs(x).max() + u, "other numbers for a row alone"),
        (lambda t, x, u: x.mean(axis=0) + u, "other numbers for a row alone"),
        (lambda t, x, u: np.sqrt(-1 - x * x) + u, "nothing finite"),
        (lambda t, x, u: 1 / 0, "ZeroDivisionError"),
        (counted, "other numbers at the second call"),
        (changed, "changed its arguments"),
    ],
)
def test_an_unsound_flow_is_refused_with_its_fault(x_dot: Any, words: str) -> None:
    with pytest.raises(Unsound, match=words):
        derived(Flowing(x_dot))


def test_a_derivative_that_no_maker_can_make_names_what_stopped_each() -> None:
    at = Rows(None, np.zeros(8), np.random.default_rng(7).uniform(-1, 1, (8, 3)))
    rough = Flowing(lambda t, x, u: np.floor(1e4 * x) + u)
    with pytest.raises(Unsound, match=r"SymPy: .*complex step: .*autograd: .*differences: "):
        derivative(RowFunction(rough, "flow", 2), at)
