"""Problems: what belongs to a lane reaches its rows, whatever their order."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pytest

from gradpareto.systems import Array, Policy, Problem, System


@dataclass(frozen=True, eq=False)
class Targets(System):
    """x' = u + context, w = (x - context)^2: every sample has a drift and a target of its own."""

    target: Array | None = None
    horizon: float = 1.0
    state_dim = 2
    control_dim = 2
    observation_dim = 2
    context_dim = 2

    def within(self, context: Array) -> Self:
        return replace(self, target=context)

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return u + self.target, ((x - self.target) ** 2).sum(axis=1)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 2 * c[:, None] * (x - self.target), a

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.standard_normal((samples, 2))

    def sample_context(self, rng: np.random.Generator, x0: Array) -> Array:
        return x0 + rng.standard_normal(x0.shape)


POLICY = Policy((2, 3, 2), ("tanh", "identity"))


@pytest.fixture
def problem() -> Problem:
    """Three trials of two lanes each, every lane with a context."""
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((3, POLICY.size))
    whole = Problem(Targets(), POLICY, theta, 1.0, trial=np.repeat(np.arange(3), 2))
    return whole.sample(rng, 6)[0]


def test_rows_get_their_lane_s_context_and_their_trial_s_theta(problem: Problem) -> None:
    rng = np.random.default_rng(1)
    lane = np.array([5, 0, 0, 3, 2])
    x, a, c = rng.standard_normal((5, 2)), rng.standard_normal((5, 2)), rng.standard_normal(5)
    together = problem.flow(lane, np.zeros(5), x)
    pulled, factors = problem.pullback(lane, np.zeros(5), x, a, c)
    for row, own in enumerate(lane):
        assert problem.context is not None
        alone = Problem(
            Targets(problem.context[own : own + 1]), POLICY, problem.theta[own // 2], 1.0
        )
        here, one = slice(row, row + 1), np.zeros(1, dtype=int)
        expected = alone.flow(one, np.zeros(1), x[here])
        for got, wanted in zip(together, expected, strict=True):
            np.testing.assert_allclose(got[here], wanted, rtol=1e-13)
        gx, own_factors = alone.pullback(one, np.zeros(1), x[here], a[here], c[here])
        np.testing.assert_allclose(pulled[here], gx, rtol=1e-12)
        for got, wanted in zip(factors, own_factors, strict=True):
            np.testing.assert_allclose(got[here], wanted, rtol=1e-12)


def test_jacobian_is_that_of_the_lane_s_context_and_trial(problem: Problem) -> None:
    """Truth: pullbacks of unit cotangents, which the test above checks."""
    lane, x = np.array([5, 0, 0, 3]), np.random.default_rng(1).standard_normal((4, 2))
    jacobian, _ = problem.jacobian(lane, np.zeros(4), x)
    for state, unit in enumerate(np.eye(2)):
        gx, _ = problem.pullback(lane, np.zeros(4), x, np.tile(unit, (4, 1)), np.zeros(4))
        np.testing.assert_allclose(jacobian[:, state], gx, rtol=1e-12)


def test_all_lanes_in_order_are_what_any_order_gives(problem: Problem) -> None:
    """The whole batch takes a shorter way to its parameters."""
    x, lane, order = np.ones((6, 2)), np.arange(6), np.array([4, 1, 5, 0, 3, 2])
    straight = problem.flow(lane, np.zeros(6), x)[0]
    np.testing.assert_allclose(problem.flow(order, np.zeros(6), x)[0], straight[order], rtol=1e-13)


def test_taken_lanes_are_numbered_anew(problem: Problem) -> None:
    lanes, x = np.array([4, 1]), np.ones((2, 2))
    taken = problem.take(lanes).flow(np.arange(2), np.zeros(2), x)[0]
    np.testing.assert_allclose(taken, problem.flow(lanes, np.zeros(2), x)[0], rtol=1e-13)


@pytest.mark.parametrize(
    ("x0", "dtype"),
    [
        ([[1.0, 0j]], "complex128"),
        ([["1", "2"]], "<U1"),
        ([[False, True]], "bool"),
        (np.array([[1.0, 2.0]], object), "object"),
        (np.array([["2026-01-01", "NaT"]], "datetime64[D]"), r"datetime64\[D\]"),
        (np.array([[1, 2]], "timedelta64[s]"), r"timedelta64\[s\]"),
    ],
)
def test_initial_states_are_real_numbers(problem: Problem, x0: Array, dtype: str) -> None:
    with pytest.raises(ValueError, match=f"x0 is of dtype {dtype}, expected real numbers"):
        problem.check_x0(x0)


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float64"])
def test_initial_states_become_float64(problem: Problem, dtype: str) -> None:
    x0 = problem.check_x0(np.array([[1, 2]], dtype))
    assert x0.dtype == np.float64
    np.testing.assert_array_equal(x0, [[1, 2]])
