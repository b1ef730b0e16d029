"""Semi-implicit Euler on an oscillator, where all that is claimed of it has a closed form."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS, Array, Policy, Problem, System

METHOD, EULER = ESTIMATORS["bptt-semi-implicit"], ESTIMATORS["bptt"]
X0 = np.array([[0.3, -1.0], [1.0, 0.5]])


@dataclass(frozen=True)
class Oscillator(System):
    """States v and q (in this order), q'' = u - q, w = q^2 times a price, J twice the energy."""

    price: float
    horizon: float = 1.0
    state_dim = 2
    control_dim = 1
    observation_dim = 2
    velocity_of = MappingProxyType({1: 0})

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return np.stack([u[:, 0] - x[:, 1], x[:, 0]], axis=1), self.price * x[:, 1] ** 2

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return np.stack([a[:, 1], 2 * self.price * c * x[:, 1] - a[:, 0]], axis=1), a[:, :1]

    def terminal(self, x: Array) -> Array:
        return (x * x).sum(axis=1)

    def terminal_gradient(self, x: Array) -> Array:
        return 2 * x

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.standard_normal((samples, 2))


def oscillator(price: float, horizon: float, *theta: float) -> Problem:
    """Control theta . (v, q, 1), none unless given."""
    policy = Policy((2, 1), ("identity",))
    return Problem(Oscillator(price), policy, np.array(theta or np.zeros(3)), horizon)


def test_steps_are_difftaichis() -> None:
    """Truth: the recursion written out, v first, then q with the new v."""
    v, q = X0.T
    cost, h = np.zeros(2), 0.1
    for _ in range(5):
        cost += h * q * q
        v = v + h * (-0.4 * v + 0.2 * q + 0.7 - q)
        q = q + h * v
    found = METHOD(oscillator(1.0, 0.5, -0.4, 0.2, 0.7), X0, h)
    np.testing.assert_allclose(found.loss, cost + v * v + q * q, rtol=1e-14)


@pytest.mark.parametrize("steps", [100, 1234, 10_000])
def test_energy_stays_bounded_where_eulers_explodes(steps: int) -> None:
    """Truth: one conserves v^2 + q^2 - h v q, the other multiplies v^2 + q^2 by 1 + h^2 a step."""
    h = 0.05
    problem, before = oscillator(0.0, steps * h), (X0 * X0).sum(axis=1)
    conserved = before - h * X0[:, 0] * X0[:, 1]
    energy = METHOD(problem, X0, h).loss
    assert (conserved / (1 + h / 2) <= energy).all()
    assert (energy <= conserved / (1 - h / 2)).all()
    np.testing.assert_allclose(EULER(problem, X0, h).loss, before * (1 + h * h) ** steps, rtol=1e-9)


def test_observed_order_is_one() -> None:
    """Truth: L = v^2 + q^2 + int (q cos t + v sin t)^2 dt, a quadratic form in (v, q) at 0."""
    mixed, twice = np.sin(1) ** 2 / 2, np.sin(2) / 4
    form = np.array([[1.5 - twice, mixed], [mixed, 1.5 + twice]])
    errors = [
        np.linalg.norm(METHOD(oscillator(1.0, 1.0), X0, h).grad_x0 - 2 * X0 @ form)
        for h in (0.02, 0.01, 0.005)
    ]
    np.testing.assert_allclose(np.log2(errors[:-1]) - np.log2(errors[1:]), 1, atol=0.05)


@pytest.mark.parametrize(("system", "preset"), [("lqr", "perturbed"), ("electric", "initial")])
def test_it_is_eulers_method_where_no_velocity_is_declared(system: str, preset: str) -> None:
    problem, x0 = TASKS[system].problem(preset).sample(np.random.default_rng(0), 2)
    one, other = (method(problem, x0, 0.1) for method in (METHOD, EULER))
    same = not problem.system.velocity_of
    assert np.array_equal(one.loss, other.loss) == same
    assert np.array_equal(one.grad_theta, other.grad_theta) == same
