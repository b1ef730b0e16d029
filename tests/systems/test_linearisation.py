"""Products with Jacobians that were evaluated in advance are those of the pullback."""

from dataclasses import replace

import numpy as np
import pytest

from gradpareto.bench.run.meter import metered
from gradpareto.systems import TASKS, Array, Linearisation, Problem
from gradpareto.systems.linearisation import Assembled, MatrixFree
from tests.systems.test_problem import problem as three_trials
from tests.systems.test_vjp import PRESETS

STAGES, LANES = 5, np.array([2, 0])
problem = three_trials


def stages(problem: Problem) -> tuple[Problem, tuple[Array, Array, Array], Array]:
    """The problem at other parameters, times t, states x and c at stages, and cotangents of x'."""
    rng = np.random.default_rng(4)
    problem = problem.with_theta(problem.theta + 0.3 * rng.standard_normal(problem.theta.shape))
    shape, d = (STAGES, len(LANES)), problem.system.state_dim
    t = rng.uniform(0, problem.horizon, shape)
    x, a = rng.standard_normal((2, *shape, d))
    return problem, (t, x, rng.standard_normal(shape)), a


def pulled(products: Linearisation, problem: Problem, a: Array) -> list[Array]:
    """The cotangents of x and of theta at all stages, (S, R, d) and (S, R, P)."""
    gx = [products.pull(cotangent) for cotangent in a[::-1]][::-1]
    each = np.eye(len(a))
    return [np.array(gx), problem.contract(products.factors(), each)]


def assert_equal_to_rounding(problem: Problem) -> None:
    problem, at, a = stages(problem)
    found = pulled(problem.assembled(LANES, *at), problem, a)
    truth = pulled(MatrixFree(problem.pullback, LANES, *at), problem, a)
    for part, exact in zip(found, truth, strict=True):
        size = np.linalg.norm(exact, axis=2, keepdims=True)
        assert (np.abs(part - exact) <= 1e-13 * size).all()


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_products_are_those_of_the_pullback(name: str, preset: str) -> None:
    """Truth: a call of the pullback at each stage."""
    assert_equal_to_rounding(TASKS[name].problem(preset).sample(np.random.default_rng(0), 3)[0])


def test_rows_are_in_their_lane_s_context(problem: Problem) -> None:
    assert_equal_to_rounding(replace(problem, theta=problem.theta[0], trial=None))


def test_jacobians_are_evaluated_for_few_rows_of_a_system_that_has_them(problem: Problem) -> None:
    """Not where rows have parameters of their own, nor where a pullback is many simulator calls."""
    quadrotor = TASKS["quadrotor"].problem("initial")
    assert quadrotor.stages_at_once(1) > quadrotor.stages_at_once(8) > 0
    assert quadrotor.stages_at_once(32) == 0
    assert problem.stages_at_once(1) == 0

    class Simulator(type(quadrotor.system)):  # type: ignore[misc]
        pullback_flows = 2

    assert replace(quadrotor, system=Simulator()).stages_at_once(1) == 0


@pytest.mark.parametrize(("count", "kind"), [(STAGES, Assembled), (1, MatrixFree)])
def test_a_product_counts_as_one_however_it_is_realised(count: int, kind: type) -> None:
    """Truth: one for each stage and row. A stage is pulled once; there is no second product."""
    problem, (t, x, c), a = stages(TASKS["lqr"].problem("perturbed"))
    counted = metered(problem, 3)
    products = counted.linearise(LANES, t[:count], x[:count], c[:count])
    assert isinstance(products, kind)
    for cotangent in a[:count]:
        products.pull(cotangent)
    assert counted.meter.vjp_evals.tolist() == [count, 0, count]
    assert counted.meter.evals.sum() == 2 * count
    with pytest.raises(IndexError):
        products.pull(a[0])
