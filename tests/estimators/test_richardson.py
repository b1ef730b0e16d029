"""Richardson extrapolation: of which losses, with which weights, and to which order."""

from collections.abc import Callable

import numpy as np
import pytest

from gradpareto.estimators.bptt import Bptt, discretised_loss
from gradpareto.estimators.richardson import Richardson
from gradpareto.estimators.solvers.explicit.tableaus import EULER, HEUN, RK4, TABLEAUS, Tableau
from gradpareto.systems import TASKS, Array, Problem

LANES = np.arange(2)
STEP = 1e-30


@pytest.mark.parametrize(
    ("tableau", "levels", "weights"),
    [
        (EULER, 2, [-1, 2]),
        (EULER, 3, [1 / 3, -2, 8 / 3]),
        (HEUN, 2, [-1 / 3, 4 / 3]),
        (RK4, 2, [-1 / 15, 16 / 15]),
    ],
)
def test_weights_are_the_textbooks(tableau: Tableau, levels: int, weights: list[float]) -> None:
    """Truth: (2^p g(h/2) - g(h)) / (2^p - 1), and the second column of its table."""
    found = Richardson(Bptt(tableau), levels).weights
    np.testing.assert_allclose(found, weights, rtol=1e-13)


@pytest.mark.parametrize("system", ["lqr", "electric"])  # the latter in two segments
@pytest.mark.parametrize(("tableau", "levels"), [(EULER, 3), (RK4, 2)])
def test_it_is_the_gradient_of_the_extrapolated_loss(
    tableau: Tableau, levels: int, system: str
) -> None:
    """Truth: complex step of the weighted losses, on meshes of steps that divide each other."""
    problem = TASKS[system].problem("perturbed" if system == "lqr" else "initial")
    rng = np.random.default_rng(6)
    problem = problem.with_theta(problem.theta + 0.1 * rng.standard_normal(problem.theta.shape))
    problem, x0 = problem.sample(rng, len(LANES))
    method, h = Richardson(Bptt(tableau), levels), problem.horizon / 4

    def discrete(problem: Problem) -> Array:
        levels_of_it = (
            weight * discretised_loss(problem, tableau, LANES, x0, h / 2**k)
            for k, weight in enumerate(method.weights)
        )
        return np.sum(list(levels_of_it), axis=0)

    estimate = method(problem, x0, h)
    assert (estimate.steps == 4 * (2**levels - 1)).all()
    np.testing.assert_allclose(estimate.loss, discrete(problem), rtol=1e-12)
    for _ in range(3):
        v = rng.standard_normal(problem.theta.shape)
        truth = discrete(problem.with_theta(problem.theta + 1j * STEP * v)).imag / STEP
        size = np.linalg.norm(estimate.grad_theta, axis=1) * np.linalg.norm(v)
        assert (np.abs(estimate.grad_theta @ v - truth) <= 1e-12 * size).all()


def test_a_mesh_that_does_not_divide_is_divided_all_the_same(
    reference_of: Callable, relative_error: Callable
) -> None:
    """Truth: the order; with ceil(T / h) and ceil(2 T / h) steps it would fall to that of RK4."""
    problem, x0 = TASKS["lqr"].problem("perturbed").sample(np.random.default_rng(2), 1)
    problem = Problem(problem.system, problem.policy, problem.theta, 1.0)
    reference = reference_of(problem, x0)
    method = Richardson(Bptt(RK4))
    errors = [relative_error(method(problem, x0, 1.0 / n), reference)[0] for n in (8.3, 17.3)]
    assert np.log(errors[0] / errors[1]) / np.log(18 / 9) > 4.7


@pytest.mark.parametrize("tableau", TABLEAUS.values(), ids=TABLEAUS)
@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_repeated_tableau_is_its_steps_one_by_one(tableau: Tableau, times: int) -> None:
    """Truth: `times` shorter steps of the tableau itself."""
    problem, x0 = TASKS["electric"].problem("initial").sample(np.random.default_rng(0), 2)
    h = problem.horizon / 4
    one = discretised_loss(problem, tableau.repeated(times), LANES, x0, h)
    np.testing.assert_allclose(
        one, discretised_loss(problem, tableau, LANES, x0, h / times), rtol=1e-12
    )
