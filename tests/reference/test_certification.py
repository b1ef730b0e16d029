"""A certificate says no where the methods agree on a wrong gradient."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from gradpareto.reference import NotSolved, Reference, certify
from gradpareto.reference.continuous import continuous
from gradpareto.reference.jumps import find_jump
from gradpareto.reference.loss_differences import _derivatives as derivatives
from gradpareto.reference.loss_differences import check_losses
from gradpareto.reference.probe import probe
from gradpareto.systems import LQR, TASKS, Array, Policy, Problem, System

LINEAR = Policy((1, 1), ("identity",))


@dataclass(frozen=True)
class Gearbox(System):
    """x' = g(x) + u with g = 1 below `at` and `above` beyond it, J = x(T) and w = `cost` beyond."""

    at: float = 1.0
    above: float = 3.0
    cost: float = 0.0
    horizon: float = 1.0
    state_dim = 1
    control_dim = 1
    observation_dim = 1

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        beyond = x[:, 0].real > self.at
        rate = np.where(beyond, self.above, 1.0)[:, None]
        return rate + u, np.where(beyond, self.cost, 0.0) + 0 * x[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 0 * a, a

    def terminal(self, x: Array) -> Array:
        return x[:, 0]

    def terminal_gradient(self, x: Array) -> Array:
        return np.ones_like(x)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(0, 0.5, (samples, 1))


def gears(system: System) -> Problem:
    return Problem(system, LINEAR, np.array([0.0, 0.5]), system.horizon)


def texts(reference: Reference) -> list[str]:
    return [reference.verdict(k).text for k in range(len(reference.loss))]


@pytest.mark.parametrize(
    ("system", "value"),
    [
        (Gearbox(), r"x'\[0\] jumps by 2"),
        (Gearbox(above=1.0, cost=0.3), "the running cost jumps by 0.3"),
    ],
)
def test_a_jump_at_a_state_is_refused_and_found(system: Gearbox, value: str) -> None:
    """Truth: x reaches `at` at t = (1 - x0) / 1.5; without the jump's term, dL/dx0 would be 1."""
    problem, x0 = gears(system).sample(np.random.default_rng(0), 2)
    reference = certify(problem, x0)
    assert not reference.usable().any()
    for text, start in zip(texts(reference), x0[:, 0], strict=True):
        assert text.startswith("not certified: ")
        assert value.replace("\\", "") in text
        assert f"at t = {(1 - start) / 1.5:.6g}" in text


def test_differences_of_the_loss_see_the_jump_too() -> None:
    """Truth: x(T) = 1 + 3.5 (T - (1 - x0) / 1.5), so dL/dx0 = 7/3, and the methods agree on 1."""
    problem, x0 = gears(Gearbox()).sample(np.random.default_rng(0), 2)
    solution, paths = continuous(problem, x0)
    assert solution.grad_x0 == pytest.approx(1.0)
    refused, _ = check_losses(problem, x0, solution, paths)
    assert all("the loss changes by" in reason for reason in refused)
    along_x0 = np.tile([[[1.0, 0.0, 0.0]]], (2, 1, 1))
    found, error = derivatives(problem, x0, along_x0, np.full((2, 1), 1e-2))
    assert found == pytest.approx(7 / 3, rel=1e-9)
    assert (error < 1e-8).all()


def test_a_sample_that_does_not_cross_the_jump_keeps_its_certificate() -> None:
    reference = certify(gears(Gearbox(at=1.9)), np.array([[0.0], [1.5]]))
    assert reference.usable().tolist() == [True, False]
    assert reference.grad_x0[0, 0] == pytest.approx(1.0, rel=1e-13)


class Timed(Gearbox):
    """Its gear changes at a time that it does not declare."""

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return np.where(t < 0.3, 1.0, self.above)[:, None] + u, 0 * x[:, 0]


def test_a_jump_at_a_time_is_harmless() -> None:
    """Truth: x(T) moves as x0 does."""
    reference = certify(gears(Timed()), np.array([[0.2]]))
    assert texts(reference) == ["certified"]
    assert reference.grad_x0[0, 0] == pytest.approx(1.0, rel=1e-12)


@dataclass(frozen=True)
class Pulse(System):
    """x' = -x + u, with a bump of unit area and a `width` at t = 0.37: in w = p u^2, or in x'."""

    width: float
    in_cost: bool
    horizon: float = 1.0
    state_dim = 1
    control_dim = 1
    observation_dim = 1

    def bump(self, t: Array) -> Array:
        shape = np.exp(-0.5 * ((t - 0.37) / self.width) ** 2)
        return np.asarray(shape / (self.width * np.sqrt(2 * np.pi)))

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        p = self.bump(t)
        if self.in_cost:
            return u - x, (p + 0.01) * u[:, 0] ** 2
        return u * p[:, None] - x, 0 * x[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        p = self.bump(t)
        if self.in_cost:
            return -a, a + (2 * c * (p + 0.01) * u[:, 0])[:, None]
        return -a, a * p[:, None]

    def terminal(self, x: Array) -> Array:
        return 0 * x[:, 0] if self.in_cost else x[:, 0]

    def terminal_gradient(self, x: Array) -> Array:
        return 0 * x if self.in_cost else np.ones_like(x)

    def sample_x0(self, rng: np.random.Generator, samples: int) -> Array:
        return rng.uniform(0, 0.5, (samples, 1))


@pytest.mark.parametrize("in_cost", [True, False])
@pytest.mark.parametrize("width", [1e-3, 3e-5])
def test_a_short_feature_is_found(width: float, in_cost: bool) -> None:
    """Truth: dL/db of u = b at b = 0.5 is 2 b (1 + 0.01), or exp(-0.63), to O(width^2)."""
    reference = certify(gears(Pulse(width, in_cost)), np.array([[0.2]]))
    assert texts(reference) == ["certified"]
    truth = 1.01 if in_cost else np.exp(-0.63 + width**2 / 2)
    assert reference.grad_theta[0, 1] == pytest.approx(truth, rel=1e-9)
    assert 0 < reference.resolution <= 1 / 20_000


def test_a_shorter_pulse_than_the_certificate_says_may_be_missed() -> None:
    """The limit that the certificate states is real."""
    reference = certify(gears(Pulse(1e-8, True)), np.array([[0.2]]))
    assert reference.resolution > 1e-8
    assert reference.grad_theta[0, 1] == pytest.approx(0.01, rel=1e-6)


def test_kinks_raise_no_alarm(clamped: tuple[Problem, Array]) -> None:
    problem, x0 = clamped
    reference = certify(problem, x0[:1])
    assert texts(reference) == ["certified"] * len(reference.loss)
    assert set(reference.untested) == {""}


class Explodes(Gearbox):
    """x' = x^2 + u, which leaves every bound before T if it starts above 1."""

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return x * x + u, 0 * x[:, 0]

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 2 * x * a, a


def test_a_sample_that_cannot_be_solved_takes_no_other_with_it() -> None:
    """Truth: x' = x^2 has x(T) = x0 / (1 - x0 T), whose derivative is 1 / (1 - x0 T)^2."""
    problem = Problem(Explodes(), LINEAR, np.zeros(2), 1.0)
    x0 = np.array([[0.3], [2.0], [0.5], [1.5], [-1.0]])
    reference = certify(problem, x0)
    good = reference.usable()
    assert good.tolist() == [True, False, True, False, True]
    assert reference.grad_x0[good, 0] == pytest.approx((1 - x0[good, 0]) ** -2, rel=1e-12)
    assert np.isnan(reference.grad_x0[~good]).all()
    assert "not certified: DOP853" in reference.verdict(1).text
    with pytest.raises(NotSolved, match="sample 1: not certified"):
        reference.demanded()


def test_verdicts_by_the_uncertainty(small_lqr: tuple[Problem, Array]) -> None:
    problem, x0 = small_lqr
    reference = certify(problem, x0)
    norm = np.linalg.norm(reference.gradient, axis=1)
    scaled = replace(
        reference,
        uncertainty=np.array([1e-9, 1e-6])[: len(x0)] * norm,
        disagreements={"one / other": np.array([1e-9, 1e-6])[: len(x0)] * norm},
    )
    assert scaled.verdict(0).kind == "certified"
    assert scaled.verdict(1).text == "usable to 1.0e-06"
    assert scaled.verdict(1, bound=1e-7).text.startswith("not certified: one / other")
    assert scaled.usable().tolist() == [True, True]
    assert scaled.usable(1e-7).tolist() == [True, False]


def test_a_zero_gradient_is_certified_and_marked() -> None:
    """At the origin the optimal policy does nothing, and the loss is 0."""
    problem = TASKS["lqr"].problem("optimal")
    reference = certify(problem, np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert reference.zero.tolist() == [True, False]
    assert texts(reference) == ["certified: the gradient is zero", "certified"]
    assert reference.rel_uncertainty[0] == 0


@dataclass(frozen=True)
class Cancels(Gearbox):
    """w = u sin(2 pi t), whose integral over the horizon is zero for every constant control."""

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return 0 * x, u[:, 0] * np.sin(2 * np.pi * t)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        return 0 * a, (c * np.sin(2 * np.pi * t))[:, None]

    def terminal(self, x: Array) -> Array:
        return 0 * x[:, 0]

    def terminal_gradient(self, x: Array) -> Array:
        return 0 * x


def test_a_gradient_that_cancels_to_rounding_is_zero() -> None:
    reference = certify(Problem(Cancels(), LINEAR, np.array([0.0, 0.5]), 1.0), np.array([[0.2]]))
    assert 0 < np.linalg.norm(reference.gradient) < 1e-14
    assert reference.zero.tolist() == [True]


class Doubled(Gearbox):
    breakpoints: ClassVar = (0.3, 0.3)


class Neighbours(Gearbox):
    breakpoints: ClassVar = (0.1 + 0.2, 0.3, 5e-324, 0.0, 1.0, float(np.nextafter(1.0, 0)), -1.0)


@pytest.mark.parametrize("system", [Doubled(), Neighbours()])
def test_breakpoints_that_are_one_are_merged(system: Gearbox) -> None:
    assert gears(system).segments == (0.0, 0.3, 1.0)


@pytest.mark.parametrize("at", [0.3, 0.1 + 0.2, 0.3 - 4e-16])
def test_a_merged_breakpoint_is_exact_wherever_the_jump_is(at: float) -> None:
    """Truth: x' = -+x with the sign changing at 0.3 gives dx(T)/dx0 = exp(0.4)."""

    class Sign(Gearbox):
        breakpoints: ClassVar = (0.1 + 0.2, 0.3, 0.3 - 4e-16)

        def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
            return np.where(t < at, -1.0, 1.0)[:, None] * x, 0 * x[:, 0]

        def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
            return np.where(t < at, -1.0, 1.0)[:, None] * a, 0 * a

    reference = certify(Problem(Sign(), LINEAR, np.zeros(2), 1.0), np.array([[0.7]]))
    assert texts(reference) == ["certified"]
    assert reference.grad_x0[0, 0] == pytest.approx(np.exp(0.4), rel=1e-13)


def test_what_is_hidden_between_nodes_shows_in_the_probe() -> None:
    problem = gears(Pulse(3e-5, True))
    solution, paths = continuous(problem, np.array([[0.2]]))
    assert solution.grad_theta[0, 1] == pytest.approx(0.01, rel=1e-6)
    found = probe(paths[0], np.eye(2), 20_000, np.random.default_rng(0))
    assert found.missed.max() > 0.5
    assert find_jump(paths[0], found) == ""


def test_a_linear_regulator_has_no_feature_and_no_jump() -> None:
    problem, x0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(0), 1)
    assert isinstance(problem.system, LQR)
    _, paths = continuous(problem, x0)
    found = probe(paths[0], np.eye(6)[:2], 20_000, np.random.default_rng(0))
    assert found.missed.max() < 1e-12
    assert find_jump(paths[0], found) == ""


class Picky(Explodes):
    """Its flow raises for a state above 3, which one of the samples reaches."""

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        if (x.real > 3).any():
            raise ValueError("out of the table")
        return super().flow(t, x, u)


def test_a_method_that_raises_on_the_way_costs_its_own_samples() -> None:
    """Truth: x' = x^2 has x(T) = x0 / (1 - x0 T), which is above 3 for x0 = 0.8 alone."""
    problem, x0 = Problem(Picky(), LINEAR, np.zeros(2), 1.0), np.array([[0.3], [0.8], [0.5]])
    reference = certify(problem, x0)
    assert reference.usable().tolist() == [True, False, True]
    assert "raised ValueError: out of the table" in reference.verdict(1).text


class Undefined(Explodes):
    """Its running cost is no number for a state above 3, which one of the samples reaches."""

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        return super().flow(t, x, u)[0], np.where(x[:, 0].real > 3, np.nan, 0 * x[:, 0])


def test_a_cost_that_is_no_number_on_the_way_costs_its_own_sample() -> None:
    problem, x0 = Problem(Undefined(), LINEAR, np.zeros(2), 1.0), np.array([[0.3], [0.8]])
    reference = certify(problem, x0)
    assert reference.usable().tolist() == [True, False]
    assert reference.verdict(1).kind == "not certified"
