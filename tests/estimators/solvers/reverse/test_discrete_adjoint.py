"""The discrete adjoint is the gradient of the discretised loss: against complex step."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.bptt import Bptt, discretised_loss
from gradpareto.estimators.differences import Differences
from gradpareto.estimators.solvers import row_blocks
from gradpareto.estimators.solvers.explicit.tableaus import TABLEAUS
from gradpareto.estimators.solvers.reverse import discrete_adjoint
from gradpareto.estimators.solvers.reverse.discrete_adjoint import ThetaSum
from gradpareto.systems import TASKS, Array, Problem
from tests.estimators.presets import on_presets

STEP = 1e-30  # complex step has no rounding to balance
LANES = np.arange(2)


def off_preset(problem: Problem) -> Problem:
    """Parameters with no zeros left among them."""
    rng = np.random.default_rng(17)
    return problem.with_theta(problem.theta + 0.1 * rng.standard_normal(problem.theta.shape))


METHODS = {name: Bptt(tableau) for name, tableau in TABLEAUS.items()}
METHODS["semi-implicit"] = Bptt(TABLEAUS["Euler"], semi_implicit=True)


@on_presets("name", METHODS)
def test_against_complex_step(name: str, preset: tuple[str, str], short: Callable) -> None:
    """Truth: complex step of the loss in every entry of x0 and along random theta, to 1e-12."""
    method = METHODS[name]
    problem = off_preset(short(preset, 0.5))
    step = 0.38 * problem.horizon  # does not divide the horizon
    rng = np.random.default_rng(6)
    problem, x0 = problem.sample(rng, len(LANES))

    def discrete(problem: Problem, x0: Array) -> Array:
        return discretised_loss(problem, method.tableau, LANES, x0, step, method.semi_implicit)

    estimate = method(problem, x0, step)
    assert (estimate.steps == 3).all()
    np.testing.assert_allclose(estimate.loss, discrete(problem, x0), rtol=1e-14)
    size = np.linalg.norm(estimate.grad_x0, axis=1)
    for entry in range(x0.shape[1]):
        moved = x0.astype(complex)
        moved[:, entry] += 1j * STEP
        truth = discrete(problem, moved).imag / STEP
        assert (np.abs(estimate.grad_x0[:, entry] - truth) <= 1e-12 * size).all()
    for _ in range(4):
        v = rng.standard_normal(problem.theta.shape)
        moved_problem = problem.with_theta(problem.theta + 1j * STEP * v)
        truth = discrete(moved_problem, x0).imag / STEP
        size = np.linalg.norm(estimate.grad_theta, axis=1) * np.linalg.norm(v)
        assert (np.abs(estimate.grad_theta @ v - truth) <= 1e-12 * size).all()


def test_contraction_in_chunks_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the same sweep contracted at once; the reverse pass holds factors in chunks."""
    problem = TASKS["lqr"].problem("perturbed")
    problem, x0 = problem.sample(np.random.default_rng(0), 2)
    method = Bptt(TABLEAUS["RK4"])
    whole = method(problem, x0, 0.5)
    monkeypatch.setattr("gradpareto.estimators.solvers.reverse.discrete_adjoint.CHUNK_BYTES", 500)
    chunked = method(problem, x0, 0.5)
    np.testing.assert_allclose(chunked.grad_theta, whole.grad_theta, rtol=1e-12)


BY_DIFFERENCES = {name: e for name, e in ESTIMATORS.items() if isinstance(e, Differences)}


@on_presets("differences", BY_DIFFERENCES)
def test_finite_differences_of_every_parameter(
    differences: str, preset: tuple[str, str], short: Callable
) -> None:
    """Truth: the discrete adjoint of the same single step, at the policy's full size."""
    method = BY_DIFFERENCES[differences]
    problem = off_preset(short(preset, 0.2))
    problem, x0 = problem.sample(np.random.default_rng(3), 1)
    truth = Bptt(method.tableau)(problem, x0, problem.horizon)
    found = method(problem, x0, problem.horizon)
    for half in ("grad_x0", "grad_theta"):
        exact = getattr(truth, half)
        # Central differences at eps^(1/3) leave eps^(2/3) = 4e-11 of the loss an entry.
        allowed = 25 * method.scheme.floor
        largest = max(1.0, abs(truth.loss[0]))
        np.testing.assert_allclose(
            getattr(found, half), exact, rtol=10 * allowed, atol=allowed * largest
        )


@pytest.mark.parametrize("most", [1, 10**9])
def test_a_theta_sum_is_that_of_all_cotangents(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the sum, node by node; one node or several are added, of all lanes or of some."""
    monkeypatch.setattr(discrete_adjoint, "CHUNK_BYTES", most)
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 1)
    problem, rng, lanes = TASKS["lqr"].problem("optimal"), np.random.default_rng(3), np.arange(3)
    theta, truth = ThetaSum(problem, 3, np.dtype(float)), np.zeros((3, problem.policy.size))
    for own in (lanes, lanes, lanes[[0, 2]]):
        one, several = (
            rng.standard_normal((2, len(own), 2)),
            rng.standard_normal((2, len(own), 4, 2)),
        )
        weight, weights = rng.standard_normal(len(own)), rng.standard_normal((4, len(own)))
        theta.add(own, tuple(one), weight)
        theta.add_nodes(own, tuple(several), weights)
        nodes = [tuple(one), *zip(*several.transpose(0, 2, 1, 3), strict=True)]
        truth[own] += problem.contract(nodes, np.vstack([weight, weights])[None])[0]
    np.testing.assert_allclose(theta.flush(), truth, rtol=1e-12, atol=1e-14)
