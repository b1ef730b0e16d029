"""Zeroth-order estimators, as random variables: mean, covariance, seeds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.rollouts import Rollouts
from gradpareto.systems import Array, Policy, Problem, System

STOCHASTIC = {n: e for n, e in ESTIMATORS.items() if isinstance(e, Rollouts)}
stochastic = pytest.mark.parametrize("name", STOCHASTIC)


@dataclass(frozen=True)
class Drift(System):
    """x' = u, blind: the policy is its bias. w = x^2 + u^2, J = x^2: all quadratic, RK4 exact."""

    horizon: float = 1.0
    state_dim = 1
    control_dim = 1
    observation_dim = 1

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return u, (x * x + u * u)[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 2 * c[:, None] * x, a + 2 * c[:, None] * u

    def observe(self, t: Array, x: Array) -> Array:
        return np.zeros_like(x)

    def terminal(self, x: Array) -> Array:
        return x[:, 0] ** 2

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.random((samples, 1))


class Quartic(Drift):
    """x' = 0, w = 0, J = x^4."""

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return 0 * x, 0 * x[:, 0]

    def terminal(self, x: Array) -> Array:
        return x[:, 0] ** 4


X, B = 0.7, -0.4
GRADIENT = np.array([2 * X + B + 2 * (X + B), 0, X + 2 * B / 3 + 2 * B + 2 * (X + B)])
"""The gradient of L = x^2 + x b + b^2 / 3 + b^2 + (x + b)^2 in x0, the weight and the bias."""
D = len(GRADIENT)


def problem(system: System) -> Problem:
    return Problem(system, Policy((1, 1), ("identity",)), np.array([0.3, B]), 1.0)


def draws(estimator: Rollouts, system: System, rollouts: int, seeds: int) -> Array:
    """Gradients under several seeds, (seeds, D); one step, which is exact here."""
    at, x0 = problem(system), np.array([[X]])
    return np.concatenate(
        [replace(estimator, steps=1, seed=k)(at, x0, rollouts).gradient for k in range(seeds)]
    )


VARIANCE: dict[str, Callable[[int], float]] = {
    "spsa": lambda n: (D - 1) / (n / 2),
    "evolution_strategies": lambda n: (D + 1) / (n / 2),
    "score_function": lambda n: (D + 1) / (n - 1),
}
"""Trace of the covariance over |g|^2, of a loss that is linear within the radius, or of pairs
quadratic: (g e) e with E (g e)^2 |e|^2 = D |g|^2 for signs, (D + 2) |g|^2 for Gaussian e. Without
pairs, a sample covariance times g (Wishart's second moments)."""


@stochastic
@pytest.mark.parametrize("rollouts", [4, 64])
def test_unbiased_on_a_quadratic_loss_with_the_variance_of_the_closed_form(
    name: str, rollouts: int
) -> None:
    """Truth: the gradient by hand; the mean is off by the sampling error that the variance says."""
    seeds = 600
    found = draws(STOCHASTIC[name], Drift(), rollouts, seeds)
    expected = VARIANCE[name](rollouts) * (GRADIENT @ GRADIENT)
    assert found.var(axis=0, ddof=1).sum() == pytest.approx(expected, rel=0.2)
    assert np.linalg.norm(found.mean(axis=0) - GRADIENT) <= 2.5 * np.sqrt(expected / seeds)


@pytest.mark.parametrize(
    ("name", "smoothed"),
    [
        ("spsa", 4 * X**3 + 4 * X * 0.5**2),
        ("evolution_strategies", 4 * X**3 + 12 * X * 0.5**2),
        ("score_function", 4 * X**3 + 12 * X * 0.5**2),
    ],
)
def test_the_bias_is_that_of_smoothing(name: str, smoothed: float) -> None:
    """Truth: E (x + r e)^4 = x^4 + 6 x^2 r^2 + 3 r^4 for Gaussian e, and a difference for signs."""
    found = draws(replace(STOCHASTIC[name], radius=0.5), Quartic(), 64, 600)[:, 0]
    sampling = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - smoothed) <= 3 * sampling + 1e-12
    assert abs(found.mean() - 4 * X**3) > 6 * sampling


def test_spsas_estimate_of_a_linear_loss_is_the_gradient_projected() -> None:
    """Truth: (g e) / e of one pair, whose entries are all +-(+-g_1 +- g_2)."""
    found = draws(STOCHASTIC["spsa"], Drift(), 2, 50)
    possible = [abs(GRADIENT[0] + s * GRADIENT[2]) for s in (1, -1)]
    assert all(
        np.isclose(abs(row), possible[0]).all() or np.isclose(abs(row), possible[1]).all()
        for row in found
    )


@stochastic
def test_seeds_and_x0_alone_decide_the_noise(name: str, short: Callable) -> None:
    estimator = STOCHASTIC[name]
    at, x0 = short(("lqr", "perturbed"), 1.0).sample(np.random.default_rng(0), 2)
    one, again = (estimator(at, x0, 4).gradient for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert (one != replace(estimator, seed=1)(at, x0, 4).gradient).all()
    np.testing.assert_array_equal(estimator(at, x0[::-1], 4).gradient, one[::-1])


@stochastic
@pytest.mark.parametrize("rollouts", [0.5, 1])
def test_fewer_than_two_rollouts_are_refused(name: str, rollouts: float) -> None:
    with pytest.raises(ValueError, match="two rollouts at least"):
        STOCHASTIC[name](problem(Drift()), np.array([[X]]), rollouts)


@stochastic
def test_many_rollouts_are_solved_in_parts_without_loss(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: the same all at once."""
    whole = draws(STOCHASTIC[name], Drift(), 50, 2)
    monkeypatch.setattr("gradpareto.estimators.rollouts.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(draws(STOCHASTIC[name], Drift(), 50, 2), whole, rtol=1e-9)


@stochastic
def test_the_estimate_nears_the_gradient_of_a_task(name: str, short: Callable) -> None:
    """Truth: the discrete adjoint; 4096 rollouts, of 8 unknowns, miss a twentieth."""
    at, x0 = short(("lqr", "perturbed"), 2.0).sample(np.random.default_rng(0), 1)
    truth = ESTIMATORS["bptt-rk4"](at, x0, at.horizon / 64).gradient
    found = replace(STOCHASTIC[name], steps=16)(at, x0, 4096).gradient
    missed = np.linalg.norm(found - truth) / np.linalg.norm(truth)
    assert missed <= 3 * np.sqrt(2 * (truth.size + 1) / 4096)
