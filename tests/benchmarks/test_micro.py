"""Micro-benchmarks, off by default: `pytest tests/benchmarks --benchmark-only`."""

from itertools import repeat

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gradpareto.bench.run.overhead import measure_overhead
from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.solvers.explicit.quadrature_variables import QuadratureVariables
from gradpareto.estimators.solvers.explicit.runge_kutta import solve
from gradpareto.estimators.solvers.explicit.step_control import Fixed
from gradpareto.estimators.solvers.explicit.tableaus import TABLEAUS
from gradpareto.systems import TASKS, Array, Factors, WeightedSums
from gradpareto.systems.derive.choice import MAKERS
from gradpareto.systems.derive.row_function import RowFunction, Untraceable
from tests.systems.test_derive import ANALYTIC, Bare, drawn

LANES = 32


def rows(system: str, lanes: int = LANES):  # type: ignore[no-untyped-def]
    """A problem at its last preset, and arguments of an oracle call."""
    task = TASKS[system]
    problem = task.problem(list(task.presets)[-1])
    problem, x0 = problem.sample(np.random.default_rng(0), lanes)
    return problem, np.arange(lanes), np.zeros(lanes), x0


@pytest.mark.parametrize("system", TASKS)
def test_flow(benchmark: BenchmarkFixture, system: str) -> None:
    problem, lane, t, x = rows(system)
    benchmark(problem.flow, lane, t, x)


@pytest.mark.parametrize("system", TASKS)
def test_pullback(benchmark: BenchmarkFixture, system: str) -> None:
    problem, lane, t, x = rows(system)
    benchmark(problem.pullback, lane, t, x, np.ones_like(x), np.ones(LANES))


@pytest.mark.parametrize("maker", ["by hand", *MAKERS])
@pytest.mark.parametrize("system", ANALYTIC)
def test_product(benchmark: BenchmarkFixture, system: str, maker: str) -> None:
    """The product of a system's flow, by each maker, beside the one derived by hand."""
    own, at = drawn(system, LANES)
    inside, d = own if at.context is None else own.within(at.context), own.state_dim
    a = np.ones((LANES, d + 1))
    benchmark.group = f"product of {system}"
    if maker == "by hand":
        benchmark(inside.pullback, at.t, at.z[:, :d], at.z[:, d:], a[:, :d], a[:, d])
        return
    try:
        product = MAKERS[maker](RowFunction(Bare(own), "flow", d), at)
    except Untraceable as reason:
        pytest.skip(str(reason))
    benchmark(product, at.context, at.t, at.z, a)


@pytest.mark.parametrize("name", TABLEAUS)
def test_one_engine_step(benchmark: BenchmarkFixture, name: str) -> None:
    """On y' = -y, which costs next to nothing: what is left is the engine."""

    def decay(lane: Array, t: Array, y: Array) -> tuple[Array, Factors]:
        return -y, ()

    def nothing(nodes: object, weights: Array) -> WeightedSums:
        """An integral without components."""
        return lambda rows, out: None

    y0, quadrature = np.ones((LANES, 12)), QuadratureVariables(0, nothing)
    benchmark(solve, decay, y0, (0.0, 1.0), TABLEAUS[name], Fixed(1.0), quadrature)


@pytest.mark.parametrize("estimator", ["bptt", "bptt-rk4", "ctpg", "ctpg-dop853", "neural_ode"])
def test_one_gradient(benchmark: BenchmarkFixture, estimator: str) -> None:
    problem, _, _, x0 = rows("quadrotor")
    method = ESTIMATORS[estimator]
    setting = 0.05 if method.declares.knob == "step" else 1e-3
    benchmark.pedantic(method, (problem, x0, setting), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize(
    ("estimator", "setting", "most"), [("bptt-rk4", 0.05, 2.0), ("ctpg", 1e-3, 3.0)]
)
def test_overhead_factor(
    benchmark: BenchmarkFixture, estimator: str, setting: float, most: float
) -> None:
    """A gradient of 32 quadrotor lanes against its oracle calls alone, on one core."""
    problem, _, _, x0 = rows("quadrotor")
    given = repeat((problem, x0)), ESTIMATORS[estimator], setting
    found = benchmark.pedantic(measure_overhead, given, rounds=1)
    assert found.factor.median <= most
